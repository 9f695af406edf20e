"""Day 5: attention itself, what a mask does to the weights, joining the heads."""

import math

import torch
from torch import Tensor

from learnkit.exercises.exercise import Case, Exercise, Fault
from learnkit.models import scaled_dot_product_attention

# ---------------------------------------------------------------- attention itself


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return scaled_dot_product_attention(query, key, value)[0]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / math.sqrt(query.shape[-1])


def _divided(query: Tensor, key: Tensor, value: Tensor, divisor: int | float) -> Tensor:
    return (query @ key.mT / divisor).softmax(-1) @ value


_QUERY = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0]])
_KEY = torch.tensor([[0.5, 1.0, -0.5], [-1.0, 0.0, 1.5], [1.0, 1.0, 1.0], [0.0, -2.0, 0.5]])
_VALUE = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0], [-1.0, 3.0]])
_SQUARE = (
    _KEY[:3, :2],
    _KEY[1:, 1:],
    _VALUE[:3],
)  # as many queries as keys, and as many features in a key as in a value

attend = Exercise(
    question="Three keys are the same vector; their values are 1, 2 and 6. What does a query get, whatever it asks?",
    ask=lambda function: function(torch.ones(1, 2), torch.ones(3, 2), torch.tensor([[1.0], [2.0], [6.0]]))[0, 0],
    task="Now write a function of (query, key, value), of shapes (queries, d), (keys, d) and (keys, features), that "
    "returns what each query gets, of shape (queries, features): one head, no mask, and no call of learnkit's "
    "function or torch's.",
    solution=_attend,
    cases=(
        Case(f"query {_QUERY.tolist()}, key {_KEY.tolist()} and value {_VALUE.tolist()}", (_QUERY, _KEY, _VALUE)),
        Case("query {}, key {} and value {}".format(*(part.tolist() for part in _SQUARE)), _SQUARE),
    ),
    faults=(
        Fault(
            "The more features a query has, the larger its scores are, and nothing compensates for that.",
            (lambda query, key, value: _divided(query, key, value, 1),),
        ),
        Fault(
            "The scores are divided by too much: with d features their variance is d. How large are they, then?",
            (lambda query, key, value: _divided(query, key, value, query.shape[-1]),),
        ),
        Fault(
            "You divide the scores by something that depends on the number of words. What do the scores grow with?",
            (
                lambda query, key, value: _divided(query, key, value, math.sqrt(len(key))),
                lambda query, key, value: _divided(query, key, value, math.sqrt(len(query))),
            ),
        ),
        Fault(
            "In yours, the queries compete for a key. Whose attention is it that is shared out?",
            (lambda query, key, value: _scores(query, key).softmax(0) @ value,),
        ),
        Fault(
            "Those are scores and not shares: some are below 0, and they do not sum to 1.",
            (
                lambda query, key, value: _scores(query, key) @ value,
                lambda query, key, value: query @ key.mT @ value,
            ),
        ),
        Fault(
            "The shares are divided after the softmax, so that what a query gets is no longer a mean.",
            (lambda query, key, value: (query @ key.mT).softmax(-1) / math.sqrt(query.shape[-1]) @ value,),
        ),
        Fault(
            "It is as strict as a Python dictionary: one key answers, and all others are silent.",
            (lambda query, key, value: value[_scores(query, key).argmax(-1)],),
        ),
        Fault(
            "It says where each query looks, but does not bring back what is there: an argument is not used.",
            (lambda query, key, value: _scores(query, key).softmax(-1),),
        ),
        Fault(
            "It returns what is meant for comparison, and not what is meant to be handed out.",
            (lambda query, key, value: _scores(query, key).softmax(-1) @ key,),
        ),
        Fault(
            "It works only with as many queries as keys: who asks and who answers are swapped.",
            (
                lambda query, key, value: _scores(key, query).softmax(-1) @ value,
                lambda query, key, value: _scores(query, key).softmax(-1).mT @ value,
            ),
        ),
    ),
    explanation="Keys that are equal get equal shares, so what comes back is the plain mean of their values.",
)

# ---------------------------------------------------------------- what a mask does to the weights


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    return _nan_without_keys(scores, mask).nan_to_num(0.0)


def _nan_without_keys(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -math.inf).softmax(-1)


_SCORES = torch.tensor([[1.0, 0.0, 2.0], [0.5, -1.0, 0.0], [0.0, 3.0, 1.0]])
_MASK = torch.tensor([[True, False, True], [True, True, True], [False, True, False]])
_MASK_WITH_EMPTY_ROW = torch.tensor([[False, True, True], [False, False, False], [True, True, False]])

masked_weights = Exercise(
    question="A query has the scores 0, 0 and 5 for three keys, and may not look at the third. What weight does the "
    "first get?",
    ask=lambda function: function(torch.tensor([[0.0, 0.0, 5.0]]), torch.tensor([[True, True, False]]))[0, 0],
    task="Now write a function of (scores, mask), both of shape (queries, keys), that returns the weights. True in "
    "the mask means that the query may look at the key. A query that may not look at any key gets zeros.",
    solution=_masked,
    cases=(
        Case(f"scores {_SCORES.tolist()} and mask {_MASK.tolist()}", (_SCORES, _MASK)),
        Case(f"scores {_SCORES.tolist()} and mask {_MASK_WITH_EMPTY_ROW.tolist()}", (_SCORES, _MASK_WITH_EMPTY_ROW)),
    ),
    faults=(
        Fault(
            "The rows do not sum to 1: the mask comes after the shares have been dealt out.",
            (lambda scores, mask: scores.softmax(-1) * mask,),
        ),
        Fault(
            "It looks at exactly what it must not see.",
            (lambda scores, mask: _masked(scores, ~mask), lambda scores, mask: _nan_without_keys(scores, ~mask)),
        ),
        Fault(
            "A score of 0 forbids nothing: softmax turns it into a share.",
            (
                lambda scores, mask: (scores * mask).softmax(-1),
                lambda scores, mask: (scores * mask).softmax(-1) * mask.any(-1, keepdim=True),
            ),
        ),
        Fault(
            "It fails for a query that may not look at any key: there it divides 0 by 0.",
            (_nan_without_keys,),
        ),
        Fault(
            "A query that may not look at any key looks at all of them: scores that are all very low are still all "
            "equal.",
            (lambda scores, mask: scores.masked_fill(~mask, -1e9).softmax(-1),),
        ),
        Fault(
            "The queries compete for a key: it is the columns that sum to 1.",
            (
                lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(0),
                lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(0).nan_to_num(0.0),
            ),
        ),
        Fault(
            "It returns the same whatever the mask is.",
            (lambda scores, mask: scores.softmax(-1),),
        ),
    ),
    explanation="It is as if the third key were not there. If the mask came after the softmax, each of the two would "
    "be left with 0.007.",
)

# ---------------------------------------------------------------- joining the heads


def _join(found: Tensor) -> Tensor:
    return found.permute(0, 2, 1, 3).flatten(2)


def _numbered(*sizes: int) -> Tensor:
    return torch.arange(math.prod(sizes)).reshape(sizes)


join_heads = Exercise(
    question="Each of 8 heads has found 16 features for every word of 2 sentences of 5 words. How many numbers does a "
    "word have when its heads are joined?",
    ask=lambda function: function(torch.zeros(2, 8, 5, 16)).shape[-1],
    task="Now write a function of a tensor of shape (batch, head, time, feature) that returns one of shape (batch, "
    "time, features), in which each word has what its first head found, then what its second head found, and so on.",
    solution=_join,
    cases=(
        Case("torch.arange(8).reshape(1, 2, 2, 2): 2 heads, 2 words and 2 features", (_numbered(1, 2, 2, 2),)),
        Case("torch.arange(48).reshape(2, 3, 4, 2): 3 heads, 4 words and 2 features", (_numbered(2, 3, 4, 2),)),
    ),
    faults=(
        Fault(
            "The shape is right, but a row holds one head of several words. In which order are the numbers stored?",
            (lambda found: found.reshape(len(found), found.shape[2], -1),),
        ),
        Fault(
            "Each word has its own numbers, but interleaved: the first feature of every head comes first.",
            (lambda found: found.permute(0, 2, 3, 1).flatten(2),),
        ),
        Fault(
            "Numbers are lost: the heads belong side by side and are not to be merged into one.",
            (lambda found: found.sum(1), lambda found: found.double().mean(1), lambda found: found.amax(1)),
        ),
        Fault(
            "There is one dimension too many: the heads of a word are side by side, but not yet in one row.",
            (lambda found: found.permute(0, 2, 1, 3),),
        ),
        Fault(
            "The sentences are merged: there is one dimension too few, and nothing shows where the next sentence "
            "begins.",
            (lambda found: _join(found).flatten(0, 1),),
        ),
        Fault(
            "Sentence and word are swapped.",
            (lambda found: _join(found).transpose(0, 1),),
        ),
        Fault(
            "Word and feature are swapped at the end.",
            (lambda found: _join(found).mT, lambda found: found.permute(0, 1, 3, 2).flatten(1, 2)),
        ),
    ),
    explanation="A word has all of them, side by side. Mixing what one head has found with what another has is left "
    "to the last layer.",
)
