// What is edited: the events of the server's sheet, what is selected, what is heard.

export async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  let said = { problem: `The server answered ${answer.status}.`, remedy: "" };
  try { said = await answer.json(); } catch { /* no JSON */ }
  throw Object.assign(new Error(`${said.problem} ${said.remedy ?? ""}`.trim()), { status: answer.status });
}

const post = (path, body) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export class Model extends EventTarget {
  project = null;
  desk = 0;
  state = null;
  events = new Map();      // id -> event
  order = [];              // events by start
  selection = new Set();   // ids
  muted = new Set();       // ids of events
  soloed = new Set();
  mutedLayers = new Set();
  soloedLayers = new Set();
  frames = null;           // seconds at which pictures appear, and the end
  hits = null;             // 64 a second
  activity = null;
  cuts = [];
  gains = null;            // stem -> [[seconds, dB]] of a balance; null without one
  words = [];
  takesShown = false;      // side by side
  heardTake = null;        // seed of the one that is heard; null: the one that is kept
  scores = new Map();      // seed -> how well it follows the picture
  busy = 0;
  clipboard = [];
  asked = 0;               // when the last change was asked for, for the latency

  tell(what, detail) { this.dispatchEvent(new CustomEvent(what, { detail })); }

  async open() {
    this.project = await (await ask("api/project")).json();
    this.takesShown = this.project.showTakes && this.project.takes.length > 0;
    await this.choose(0);
    this.listen();
    ask("api/words").then(answer => answer.json()).then(words => { this.words = words; }).catch(() => {});
  }

  async choose(desk) {
    this.desk = desk;
    for (const set of [this.selection, this.muted, this.soloed]) set.clear();
    this.frames = this.hits = this.activity = null;
    this.cuts = [];
    await this.refresh();
    await this.balance();
    this.tell("desk");
  }

  async refresh() {
    this.take(await (await ask(`api/state/${this.desk}`)).json());
    if (this.state.stage === "ready" && !this.frames) await this.look();
  }

  async balance() { // also when the window is seen again: the table may have been edited
    const curves = await (await ask(`api/gains/${this.desk}`)).json();
    this.gains = Object.keys(curves).length ? curves : null;
  }

  async look() {
    const data = await (await ask(`api/curves/${this.desk}`)).arrayBuffer();
    const bytes = new Uint8Array(data), line = bytes.indexOf(10);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)));
    let at = line + 1;
    const part = (Kind, length) => { const array = new Kind(data, at, length); at += length * Kind.BYTES_PER_ELEMENT; return array; };
    this.frames = part(Float64Array, head.frames);
    this.hits = part(Float32Array, head.points);
    this.activity = part(Float32Array, head.points);
    this.cuts = head.cuts;
    this.state.duration = head.duration;
    this.tell("looked");
  }

  take(state) {
    this.state = state;
    this.events = new Map(state.events.map(event => [event.id, event]));
    this.order = state.events;
    if (this.heardTake === state.take) this.heardTake = null;
    for (const set of [this.selection, this.muted, this.soloed])
      for (const id of set) if (!this.events.has(id)) set.delete(id);
    this.tell("state");
  }

  listen() {
    const source = new EventSource("api/events");
    let held = [];
    const hear = async said => {
      if (said.notice) this.tell("notice", said.notice);
      if (said.desk === -1) return this.tell("render", said);
      if (said.desk !== this.desk) return;
      if (said.stage) {
        Object.assign(this.state, { stage: said.stage, done: said.done, trouble: said.trouble });
        this.tell("stage");
        if (said.stage === "ready") { await this.refresh(); this.tell("sound", [[0, this.state.duration]]); }
        return;
      }
      if (said.revision !== undefined) {
        if (said.revision <= this.state.revision) return;
        await this.refresh();
      }
      if (said.spans?.length) this.tell("sound", said.spans);
    };
    source.onmessage = message => {
      const said = JSON.parse(message.data);
      if (this.busy) held.push(said); else hear(said);
    };
    this.settle = () => { const all = held; held = []; all.forEach(hear); };
    source.onopen = () => { // what happened before somebody listened
      if (this.lost) { this.lost = false; this.tell("notice", ""); }
      this.refresh().catch(() => {});
    };
    source.onerror = () => { if (!this.lost) { this.lost = true; this.tell("notice", "foley edit has ended or cannot be reached. What you did is on disk."); } };
  }

  // One change, as one step to undo. rows: {id: {field: value} | null}, added: [fields]
  async change(label, rows, added = []) {
    return this.send(`api/change/${this.desk}`, { label, rows, added, base: this.state.revision });
  }
  undo() { return this.send(`api/undo/${this.desk}`, {}); }
  redo() { return this.send(`api/redo/${this.desk}`, {}); }

  send(path, body) {
    this.asked = performance.now();
    this.last = (this.last ?? Promise.resolve()).then(async () => {
      this.busy++;
      try {
        if ("base" in body) body.base = this.state.revision;
        const before = new Set(this.events.keys());
        const answer = await (await post(path, body)).json();
        this.take(answer);
        if (answer.spans.length) this.tell("sound", answer.spans);
        return [...this.events.keys()].filter(id => !before.has(id));
      } catch (error) {
        this.tell("notice", error.message);
        if (error.status === 409) await this.refresh();
        else this.tell("state");
        return [];
      } finally {
        this.busy--;
        this.settle?.();
      }
    });
    return this.last;
  }

  async alternatives(id) {
    return (await ask(`api/alternatives/${this.desk}/${id}`)).json();
  }

  async like(file) {
    const answer = await ask(`api/like/${this.desk}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    return (await answer.json()).what;
  }

  // -- takes --------------------------------------------------------------------------------------
  get takes() { // those that are drawn; null: the one that is kept
    if (!this.takesShown || !this.state) return [null];
    const all = this.project.takes;
    return all.includes(this.state.take) ? all : [this.state.take, ...all];
  }
  takeOf(seed) { return seed === this.state?.take ? null : seed; }
  keep(seed) { return this.send(`api/keep/${this.desk}`, { seed }); }
  async rank() {
    const desk = this.desk, revision = this.state.revision;
    for (const seed of this.takes) {
      const score = await ask(`api/score/${desk}/${seed}`).then(answer => answer.json()).catch(() => null);
      if (desk !== this.desk || revision !== this.state.revision || !this.takesShown) return;
      if (score) this.scores.set(seed, score); else this.scores.delete(seed);
      this.tell("scores");
    }
  }

  async render(overwrite) { return post("api/render", { overwrite }); }

  // -- what is selected --------------------------------------------------------------------------
  get selected() { return this.order.filter(event => this.selection.has(event.id)); }
  get one() { const all = this.selected; const groups = new Set(all.map(e => e.group)); return groups.size === 1 ? all[0] : null; }

  members(event) { return this.order.filter(other => other.group === event.group); }

  select(events, add = false) {
    if (!add) this.selection.clear();
    for (const event of events) for (const member of this.members(event)) this.selection.add(member.id);
    this.tell("selection");
  }

  toggle(event) {
    const ids = this.members(event).map(member => member.id);
    const on = !this.selection.has(event.id);
    for (const id of ids) if (on) this.selection.add(id); else this.selection.delete(id);
    this.tell("selection");
  }

  // Fields of all that is selected, by a function of each event.
  set(label, make, events = this.selected) {
    const rows = {};
    for (const event of events) { const fields = make(event); if (fields) rows[event.id] = fields; }
    return Object.keys(rows).length ? this.change(label, rows) : Promise.resolve([]);
  }

  remove() {
    const rows = Object.fromEntries(this.selected.map(event => [event.id, null]));
    return Object.keys(rows).length ? this.change("delete", rows) : Promise.resolve([]);
  }

  copy() { this.clipboard = this.selected.map(event => ({ ...event })); return this.clipboard.length; }

  async paste(at) {
    if (!this.clipboard.length) return;
    const first = Math.min(...this.clipboard.map(event => event.start));
    const added = this.clipboard.map(event => ({ ...fieldsOf(event), start: seconds(at + event.start - first), recording: event.recording }));
    const ids = await this.change("paste", {}, added);
    this.select(ids.map(id => this.events.get(id)));
  }

  async add(time, layer, fields = {}) {
    const like = this.one;
    const added = { start: seconds(time), duration: "1", kind: "hit", what: like?.what ?? "impact", layer, ...fields };
    const [id] = await this.change("add", {}, [added]);
    if (id !== undefined) this.select([this.events.get(id)]);
    return id;
  }

  // -- what is heard ------------------------------------------------------------------------------
  isHeard(event) {
    if (this.muted.has(event.id) || this.mutedLayers.has(event.layer)) return false;
    if (!this.soloed.size && !this.soloedLayers.size) return true;
    return this.soloed.has(event.id) || this.soloedLayers.has(event.layer);
  }
  get silent() { return this.order.filter(event => !this.isHeard(event)).map(event => event.id); }

  flip(set, keys) {
    const on = keys.some(key => !set.has(key));
    for (const key of keys) if (on) set.add(key); else set.delete(key);
    this.asked = performance.now();
    this.tell("state");
    this.tell("sound", [[0, this.state.duration]]);
  }

  // -- time ---------------------------------------------------------------------------------------
  get duration() { return this.state?.duration ?? 0; }
  get frameLength() { const rate = this.state?.frameRate; return rate ? rate[1] / rate[0] : 1 / 25; }

  frameAt(time) { // the picture on screen: its number, when it appears and when it goes
    const film = time * (this.state?.speed || 1);
    if (!this.frames) {
      const n = Math.max(0, Math.floor(film / this.frameLength + 1e-6));
      return [n, n * this.frameLength, (n + 1) * this.frameLength];
    }
    let low = 0, high = this.frames.length - 2;
    while (low < high) { const middle = (low + high + 1) >> 1; if (this.frames[middle] <= film + 1e-6) low = middle; else high = middle - 1; }
    return [low, this.frames[low], this.frames[low + 1]];
  }

  startOf(frame) {
    const speed = this.state?.speed || 1;
    if (!this.frames) return Math.max(0, frame * this.frameLength) / speed;
    return this.frames[Math.max(0, Math.min(this.frames.length - 2, frame))] / speed;
  }

  snap(time, toPeaks) {
    if (toPeaks && this.hits) {
      let best = null;
      for (let i = Math.max(1, Math.floor((time - 0.3) * 64)); i < Math.min(this.hits.length - 1, (time + 0.3) * 64); i++)
        if (this.hits[i] > 0.15 && this.hits[i] >= this.hits[i - 1] && this.hits[i] > this.hits[i + 1])
          if (best === null || Math.abs(i / 64 - time) < Math.abs(best - time)) best = i / 64;
      if (best !== null) return best;
    }
    const [frame, begin, end] = this.frameAt(Math.max(0, time)), speed = this.state?.speed || 1;
    return (time * speed - begin < end - time * speed ? begin : this.startOf(frame + 1) * speed) / speed;
  }

  timecode(time) {
    const rate = this.state?.frameRate ? this.state.frameRate[0] / this.state.frameRate[1] : 25;
    const base = Math.round(rate), [frame] = this.frameAt(time);
    const n = this.frames || this.state?.frameRate ? frame : Math.floor(time * rate);
    const pad = value => String(value).padStart(2, "0");
    const total = Math.floor(n / base);
    return `${pad(Math.floor(total / 3600))}:${pad(Math.floor(total / 60) % 60)}:${pad(total % 60)}:${pad(n % base)}`;
  }
}

export const seconds = value => Math.max(0, value).toFixed(6);

export function fieldsOf(event) {
  const names = ["start", "duration", "kind", "what", "level_db", "confidence", "layer", "surface", "pan", "distance", "evidence"];
  return Object.fromEntries(names.map(name => [name, event[name]]));
}

export function nameOf(event, model) {
  const place = model.order.indexOf(event) + 1;
  return `${event.what}, ${event.kind}, at ${model.timecode(event.start)}, ${event.layer || "no layer"}, ${event.level_db} dB, ${place} of ${model.order.length}`;
}
