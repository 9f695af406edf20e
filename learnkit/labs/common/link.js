// The page's end of the link to the kernel; link.py has the other. There is one for each model, however many views.
//
//   page → kernel   {hello}                                      I have nothing yet
//                   {page, number, change, press: [name, …]}     what a person did; of changes, the newest wins
//                   {drawn}                                      I have drawn all frames up to this one
//   kernel → page   {number, heard: {page: number}, asks, new: {…}}, buffers
//                   a frame: what has changed since the last, and whether to tell when it is drawn

class Link {
  constructor(model) {
    this.model = model;
    this.page = Math.random().toString(36).slice(2); // crypto.randomUUID is missing where there is no https
    this.views = new Set();
    this.frame = { arrays: [] }; // all that the kernel has told
    this.wanted = {}; // settings that were moved, and of which the kernel was not told yet
    this.moved = {}; // of which it was told, and has not answered yet
    this.sent = this.heard = this.received = 0;
    this.isAsked = false;
    this.changed = new Set();
    this.receive = this.receive.bind(this);
    this.draw = this.draw.bind(this);
    model.on("msg:custom", this.receive);
  }

  join(view) {
    this.views.add(view);
    this.model.send({ hello: true });
    return () => this.views.delete(view);
  }

  close() {
    this.model.off("msg:custom", this.receive);
    cancelAnimationFrame(this.request);
  }

  // What the controls show: what the kernel has, and what a person has changed since.
  get values() {
    return { ...this.frame.values, ...this.moved, ...this.wanted };
  }

  change(values) {
    Object.assign(this.wanted, values);
    this.redraw(["values"]);
    if (this.heard === this.sent) this.tell();
  }

  press(name, ...details) {
    this.tell([name, ...details]);
  }

  tell(press = null) {
    this.model.send({ page: this.page, number: ++this.sent, change: this.wanted, press });
    Object.assign(this.moved, this.wanted);
    this.wanted = {};
  }

  receive({ number, heard, asks, new: news }, buffers) {
    Object.assign(this.frame, news);
    for (const name of Object.keys(news)) this.changed.add(name);
    const isAwaited = this.heard < this.sent;
    this.received = number;
    this.isAsked ||= asks;
    this.heard = heard[this.page] ?? 0;
    if (this.heard < this.sent) { // it left before the kernel heard of the last move
      this.acknowledge();
      return;
    }
    this.moved = {};
    if (Object.keys(this.wanted).length) this.tell();
    // Copies, since a buffer may begin where no Float32Array can.
    this.frame.arrays = buffers.map(({ buffer, byteOffset, byteLength }) => buffer.slice(byteOffset, byteOffset + byteLength));
    this.redraw(["arrays", "values"]);
    if (isAwaited) this.draw(); // a person is waiting for it
  }

  redraw(names) {
    for (const name of names) this.changed.add(name);
    this.request ??= requestAnimationFrame(this.draw); // in a hidden tab this waits, and the kernel with it
  }

  draw() {
    cancelAnimationFrame(this.request);
    this.request = undefined;
    if (!this.frame.values) return;
    const changed = this.changed;
    this.changed = new Set();
    for (const view of this.views) view({ ...this.frame, values: this.values }, changed);
    if (this.views.size) this.acknowledge();
  }

  acknowledge() {
    if (!this.isAsked) return;
    this.isAsked = false;
    this.model.send({ drawn: this.received });
  }
}

// What a lab exports: makeView({ constants, link, el }) builds the page and returns draw(frame, changed), and perhaps
// close(). A function, which anywidget calls once for each model: initialize and render get different proxies of it.
export const linked = (makeView) => () => {
  let link;
  return {
    initialize({ model }) {
      link = new Link(model);
      return () => link.close();
    },
    render({ model, el }) {
      const { draw, close } = makeView({ constants: model.get("constants"), link, el });
      const leave = link.join(draw);
      return () => {
        leave();
        close?.();
      };
    },
  };
};
