// Server-sent events (HTML 9.2) as netd writes them: each a JSON object on one line; pure.
class Events {
  constructor() {
    this.rest = "";
  }
  // The objects of the events that end in `text`; what comes after the last end is kept.
  feed(text) {
    const parts = (this.rest + text).split("\n\n");
    this.rest = parts.pop();
    if (this.rest.length > 2 ** 24) throw new Error("an event without an end");
    return parts.filter((part) => part.startsWith("data: ")).map((part) => JSON.parse(part.slice(6)));
  }
}

// The latest `most` frames; those of a history that are known already are not added.
class Frames {
  constructor(most) {
    this.most = most;
    this.all = [];
  }
  add(frames) {
    const last = this.all.at(-1)?.at ?? 0;
    this.all.push(...frames.filter(({ at }) => at > last));
    this.all.splice(0, this.all.length - this.most);
  }
  // Those of the last seconds, counted from the latest.
  since(seconds) {
    const from = (this.all.at(-1)?.at ?? 0) - seconds;
    return this.all.filter(({ at }) => at > from);
  }
}

// How long to wait before the connection is tried again: 1, 2, 5, then 10 seconds.
const backOff = (attempt) => [1, 2, 5][attempt] ?? 10;
