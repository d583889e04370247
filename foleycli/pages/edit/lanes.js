// The film's clock drawn: ruler, film strip, cuts, motion, waveform, and a lane for each layer.
import { ask, nameOf, seconds } from "./model.js";

const RULER = 22, STRIP = 46, MOTION = 38, WAVE = 54, TAKE = 42, GAINS = 44, LANE = 46, EMPTY = 22, EDGE = 6;
const STEMS = { dialogue: "play", music: "motion", effects: "wave" }, MOST_DB = 12; // of the gains lane
const STEPS = [0.04, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800];
const PEAKS = 64, CHUNK = 20; // of the waveform: a second, seconds in one answer
const SOFTEST = -36, LOUDEST = 12;

export class Lanes {
  constructor(canvas, heads, model, hands) {
    Object.assign(this, { canvas, heads, model, hands });
    this.context = canvas.getContext("2d", { alpha: false });
    this.from = 0;        // seconds at the left edge
    this.scale = 50;      // pixels a second
    this.time = 0;
    this.loop = null;     // [from, to]
    this.thumbs = new Map();
    this.peaks = new Map();
    this.wanted = [];
    this.loading = 0;
    this.frameTimes = []; // milliseconds that drawing took
    this.colours();
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => { this.colours(); this.draw(); });
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    canvas.addEventListener("pointerdown", event => this.down(event));
    canvas.addEventListener("pointermove", event => this.hover(event));
    canvas.addEventListener("dblclick", event => this.double(event));
    canvas.addEventListener("wheel", event => this.wheel(event), { passive: false });
    this.resize();
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    this.ink = Object.fromEntries(["ground", "panel", "line", "ink", "dim", "accent", "play", "motion", "wave", "hit", "bed", "off", "cut", "sel"]
      .map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
  }

  get layers() {
    const all = [...this.model.project?.layers ?? []];
    if (this.model.order.some(event => !event.layer)) all.push("");
    return all;
  }

  // A lane without events is low; one that a drag enters grows when it has some.
  high(layer) { return this.used?.has(layer) ? LANE : EMPTY; }
  get each() { return this.model.takesShown ? TAKE : WAVE; } // pixels of a waveform
  get above() { return RULER + STRIP + MOTION + this.each * (this.model.takes?.length ?? 1); }
  top(layer) {
    if (this.tops) return this.tops.get(layer);
    let top = this.above + this.gainsHigh;
    for (const each of this.layers) { if (each === layer) break; top += this.high(each); }
    return top;
  }
  get gainsHigh() { return this.model.gains ? GAINS : 0; }
  x(time) { return (time - this.from) * this.scale; }
  t(x) { return this.from + x / this.scale; }
  get width() { return this.canvas.clientWidth; }
  get to() { return this.t(this.width); }

  resize() {
    const height = this.above + this.gainsHigh + this.layers.reduce((sum, layer) => sum + this.high(layer), 0);
    const dense = devicePixelRatio || 1, width = Math.max(50, this.canvas.parentElement.clientWidth - this.heads.offsetWidth);
    this.canvas.style.height = `${height}px`;
    this.heads.style.height = `${height}px`;
    if (this.canvas.width !== Math.round(width * dense) || this.canvas.height !== Math.round(height * dense)) {
      this.canvas.width = Math.round(width * dense);
      this.canvas.height = Math.round(height * dense);
    }
    if (this.fitted !== false) this.fit();
    this.headings();
    this.draw();
  }

  fit() { this.fitted = true; this.from = 0; this.scale = Math.max(0.01, (this.width - 4) / Math.max(0.2, this.model.duration)); this.hands.zoomed(); }

  get least() { return (this.width - 4) / Math.max(0.2, this.model.duration); }
  zoom(factor, around = this.time) {
    const x = this.x(around), inside = x >= 0 && x <= this.width ? x : this.width / 2, at = this.t(inside);
    this.scale = Math.min(2400, Math.max(this.least, this.scale * factor));
    this.fitted = this.scale <= this.least * 1.0001 ? true : false;
    this.from = at - inside / this.scale;
    this.bound();
    this.hands.zoomed();
    this.draw();
  }
  bound() { this.from = Math.max(0, Math.min(this.from, this.model.duration - (this.width - 4) / this.scale)); }
  pan(by) { this.from += by; this.fitted = false; this.bound(); this.draw(); }
  reveal(time) { if (time < this.from || time > this.to) { this.from = time - 0.15 * this.width / this.scale; this.bound(); } this.draw(); }

  headings() {
    const { model } = this, takes = model.takesShown && model.state ? model.takes : [];
    const key = JSON.stringify([this.gainsHigh, this.layers.map(layer => [layer, this.high(layer)]), [...model.mutedLayers], [...model.soloedLayers], takes, model.state?.take, model.heardTake, [...model.scores]]);
    if (key === this.headed) return;
    this.headed = key;
    const row = (name, top, height, layer) => {
      const div = document.createElement("div"), span = document.createElement("span");
      div.style.top = `${top}px`;
      div.style.height = `${height}px`;
      span.textContent = name;
      div.append(span);
      if (layer !== undefined)
        for (const [sign, set, what] of [["M", this.model.mutedLayers, "Mute"], ["S", this.model.soloedLayers, "Solo"]]) {
          const button = document.createElement("button");
          button.textContent = sign;
          button.title = `${what} ${name}`;
          button.setAttribute("aria-label", `${what} ${name}`);
          button.setAttribute("aria-pressed", set.has(layer));
          button.addEventListener("click", () => { this.model.flip(set, [layer]); });
          div.append(button);
        }
      return div;
    };
    let top = 0;
    const plain = [["time", RULER], ["film", STRIP], ["motion", MOTION], ...takes.length ? [] : [["sound", WAVE]]];
    const rows = plain.map(([name, height]) => { const made = row(name, top, height); top += height; return made; });
    const best = takes.reduce((found, seed) => (model.scores.get(seed)?.score ?? -1e9) > (model.scores.get(found)?.score ?? -1e9) ? seed : found, null);
    for (const seed of takes) { rows.push(this.takeRow(row(`${seed === best ? "★ " : ""}take ${seed}`, top, TAKE), seed)); top += TAKE; }
    if (model.gains) { rows.push(row("gains", top, GAINS)); top += GAINS; }
    for (const layer of this.layers) { rows.push(row(layer || "other", top, this.high(layer), layer)); top += this.high(layer); }
    this.heads.replaceChildren(...rows);
  }

  takeRow(div, seed) {
    const { model, hands } = this, score = model.scores.get(seed), name = div.querySelector("span");
    const heard = model.takeOf(seed) === model.heardTake, kept = seed === model.state.take;
    if (score) name.textContent += `  ${score.sync.toFixed(1)}`;
    div.title = score ? `In time with the picture by ${score.sync.toFixed(1)} (0 is chance); speech ${score.speech.toFixed(2)}, music ${score.music.toFixed(2)}` : "";
    for (const [label, on, what, act] of [["▶", heard, "Hear", () => hands.hearTake(seed)], ["✓", kept, "Keep", () => hands.keepTake(seed)]]) {
      const button = document.createElement("button");
      button.textContent = label;
      button.title = `${what} take ${seed}`;
      button.setAttribute("aria-label", button.title);
      button.setAttribute("aria-pressed", on);
      button.addEventListener("click", act);
      div.append(button);
    }
    return div;
  }

  changed() {
    const used = new Set(this.model.order.map(event => event.layer)), key = JSON.stringify([this.layers, [...used].sort()]);
    this.used = used;
    if (this.lanesKey !== key) { this.lanesKey = key; this.resize(); }
    this.arrange();
    this.headings();
    this.draw();
  }

  forget(spans = [[0, Infinity]]) {
    for (const [from, to] of spans)
      for (const found of this.peaks.values()) // other takes have other recordings, which may last longer
        if (found.take !== null || found.n * CHUNK < to && (found.n + 1) * CHUNK > from) found.stale = true;
    this.draw();
  }
  forgetAll() { this.thumbs.clear(); this.peaks.clear(); this.wanted = []; }

  // Rows within a lane, so that events that overlap are seen side by side.
  arrange() {
    this.slots = new Map();
    for (const layer of this.layers) {
      const ends = [], own = this.model.order.filter(event => event.layer === layer), row = new Map();
      for (const event of own) {
        let slot = row.get(event.group);
        if (slot === undefined) { slot = ends.findIndex(end => end <= event.start + 1e-6); if (slot < 0) slot = ends.length < 4 ? ends.push(0) - 1 : ends.indexOf(Math.min(...ends)); row.set(event.group, slot); }
        ends[slot] = Math.max(ends[slot], event.end ?? event.start + Math.min(event.duration, 0.5));
        this.slots.set(event.id, [slot, 0]);
      }
      for (const event of own) this.slots.get(event.id)[1] = Math.max(1, ends.length);
    }
  }

  box(event) {
    const [slot, of] = this.slots?.get(event.id) ?? [0, 1];
    const height = (this.high(event.layer) - 4) / of, end = event.kind === "bed" ? event.start + event.duration : Math.max(event.end ?? 0, event.start + 0.05);
    return { x: this.x(event.start), y: this.top(event.layer) + 2 + slot * height, width: Math.max(3, (end - event.start) * this.scale), height: height - 1 };
  }

  draw() { this.dirty = true; this.head(); }
  head() { if (!this.asked) { this.asked = true; requestAnimationFrame(() => { this.asked = false; this.paint(); }); } }

  // All but the playhead is kept as a picture, so that playing costs one copy a frame.
  paint() {
    const began = performance.now(), { canvas, ink } = this, dense = devicePixelRatio || 1;
    this.still ??= document.createElement("canvas");
    if (this.dirty || this.still.width !== canvas.width || this.still.height !== canvas.height) {
      this.dirty = false;
      this.still.width = canvas.width;
      this.still.height = canvas.height;
      this.paintStill(this.still.getContext("2d", { alpha: false }), dense);
    }
    const c = this.context;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.still, 0, 0);
    c.setTransform(dense, 0, 0, dense, 0, 0);
    c.fillStyle = ink.play;
    c.fillRect(Math.round(this.x(this.time)), 0, 1.5, canvas.height / dense);
    this.frameTimes.push(performance.now() - began);
    if (this.frameTimes.length > 600) this.frameTimes.splice(0, 300);
  }

  paintStill(c, dense) {
    const { ink } = this, width = this.width, height = this.canvas.height / dense;
    c.setTransform(dense, 0, 0, dense, 0, 0);
    c.fillStyle = ink.ground;
    c.fillRect(0, 0, width, height);
    c.font = "12px system-ui, sans-serif";
    c.textBaseline = "middle";
    this.ruler(c, width);
    this.strip(c, width);
    this.motion(c, width);
    this.wave(c, width);
    this.gains(c, width);
    this.events(c, width);
    c.fillStyle = ink.cut;
    for (const cut of this.model.cuts) { const x = this.x(cut); if (x >= 0 && x <= width) c.fillRect(Math.round(x), RULER, 1, height - RULER); }
    if (this.loop) {
      c.fillStyle = ink.accent + "33";
      c.fillRect(this.x(this.loop[0]), 0, this.x(this.loop[1]) - this.x(this.loop[0]), RULER);
    }
    if (this.band) { c.strokeStyle = ink.sel; c.strokeRect(this.band.x, this.band.y, this.band.width, this.band.height); }
    this.load();
  }

  ruler(c, width) {
    const step = STEPS.find(each => each * this.scale >= 84) ?? 3600;
    c.fillStyle = this.ink.dim;
    for (let n = Math.floor(this.from / step); n * step <= this.to; n++) {
      const x = this.x(n * step);
      c.fillRect(Math.round(x), RULER - 6, 1, 6);
      c.fillText(step < 1 ? `${(n * step).toFixed(2)}` : this.model.timecode(n * step + 1e-6).slice(0, 8), x + 3, 9);
    }
  }

  strip(c, width) {
    const aspect = (this.model.state?.width || 16) / (this.model.state?.height || 9), least = STRIP * aspect;
    const step = STEPS.find(each => each * this.scale >= least) ?? 3600;
    for (let n = Math.floor(this.from / step); n * step <= Math.min(this.to, this.model.duration - 1e-3); n++) {
      const key = `${step} ${n}`, found = this.thumbs.get(key);
      if (found) { this.thumbs.delete(key); this.thumbs.set(key, found); if (found.width) c.drawImage(found, this.x(n * step), RULER, least, STRIP); }
      else this.want(`t${key}`, () => this.thumb(key, n * step, step));
    }
  }

  async thumb(key, at, step) {
    const film = Math.max(0, at * (this.model.state.speed || 0)), desk = this.model.desk;
    const answer = await ask(`media/strip/${desk}?at=${film.toFixed(3)}&coarse=${step >= 2 ? 1 : 0}`);
    const picture = await createImageBitmap(await answer.blob());
    if (desk !== this.model.desk) return picture.close();
    this.thumbs.set(key, picture);
    while (this.thumbs.size > 300) { const [old, image] = this.thumbs.entries().next().value; this.thumbs.delete(old); image.close?.(); }
  }

  motion(c, width) {
    const { hits, activity } = this.model, top = RULER + STRIP, bottom = top + MOTION - 2;
    c.fillStyle = this.ink.line;
    c.fillRect(0, bottom, width, 1);
    if (!hits) return;
    const each = 64 / this.scale;
    c.fillStyle = this.ink.motion + "55";
    for (let x = 0; x < width; x++) {
      const [a, b] = [Math.floor(this.t(x) * 64), Math.max(Math.floor(this.t(x) * 64) + 1, Math.floor(this.t(x) * 64 + each))];
      let most = 0, hit = 0;
      for (let i = Math.max(0, a); i < Math.min(b, hits.length); i++) { if (activity[i] > most) most = activity[i]; if (hits[i] > hit) hit = hits[i]; }
      if (most) c.fillRect(x, bottom - most * (MOTION - 6), 1, most * (MOTION - 6));
      if (hit > 0.05) { c.fillStyle = this.ink.motion; c.fillRect(x, bottom - hit * (MOTION - 6), 1.5, hit * (MOTION - 6)); c.fillStyle = this.ink.motion + "55"; }
    }
  }

  wave(c, width) {
    this.model.takes.forEach((seed, number) => {
      const take = seed === null ? null : this.model.takeOf(seed);
      c.globalAlpha = this.model.takesShown && take !== this.model.heardTake ? 0.45 : 1;
      this.waveOf(c, width, RULER + STRIP + MOTION + number * this.each, take);
      c.globalAlpha = 1;
    });
  }

  waveOf(c, width, top, take) {
    const middle = top + this.each / 2, half = this.each / 2 - 2;
    c.fillStyle = this.ink.line;
    c.fillRect(0, middle, width, 1);
    if (this.model.state?.stage !== "ready") return;
    const first = Math.max(0, Math.floor(this.from / CHUNK)), last = Math.min(this.to, this.model.duration - 1e-3), chunks = [];
    for (let n = first; n * CHUNK <= last; n++) {
      const key = `${take ?? ""} ${n}`, found = chunks[n] = this.peaks.get(key);
      if (!found || found.stale) this.want(`p${key}`, () => this.chunk(key, n, take));
    }
    c.fillStyle = this.ink.wave;
    const each = PEAKS / this.scale, long = PEAKS * CHUNK;
    for (let x = 0; x < width; x++) {
      const a = Math.floor(this.t(x) * PEAKS), b = Math.max(a + 1, Math.floor(this.t(x) * PEAKS + each));
      let low = 127, high = -128;
      for (let i = Math.max(0, a); i < b; i++) {
        const n = Math.floor(i / long), chunk = chunks[n];
        if (!chunk) { i = (n + 1) * long - 1; continue; }
        const at = 2 * (i - n * long);
        if (at >= chunk.data.length) break;
        if (chunk.data[at] < low) low = chunk.data[at];
        if (chunk.data[at + 1] > high) high = chunk.data[at + 1];
      }
      if (high >= low) c.fillRect(x, middle - (high / 127) * half, 1, Math.max(1, ((high - low) / 127) * half));
    }
  }

  // What foley highlight turns each stem by: read here, edited in its table.
  gains(c, width) {
    if (!this.model.gains) return;
    const top = this.above, y = db => top + GAINS / 2 - Math.max(-MOST_DB, Math.min(MOST_DB, db)) / MOST_DB * (GAINS / 2 - 3);
    c.fillStyle = this.ink.line;
    c.fillRect(0, y(0), width, 1);
    c.lineWidth = 2;
    let left = 4;
    for (const [stem, points] of Object.entries(this.model.gains)) {
      c.strokeStyle = this.ink[STEMS[stem]];
      c.beginPath();
      for (const [time, db] of points) c.lineTo(this.x(time), y(db));
      c.stroke();
      c.fillStyle = this.ink[STEMS[stem]];
      c.fillText(stem, left, top + GAINS - 7);
      left += c.measureText(stem).width + 10;
    }
  }

  async chunk(key, n, take) {
    const desk = this.model.desk, old = this.peaks.get(key);
    if (old) old.stale = false;
    const answer = await ask(`media/peaks/${desk}?from=${n * CHUNK}&to=${(n + 1) * CHUNK}${take === null ? "" : `&take=${take}`}`);
    const data = new Int8Array(await answer.arrayBuffer());
    if (desk === this.model.desk) this.peaks.set(key, { n, take, data, stale: this.peaks.get(key)?.stale ?? false });
    if (this.peaks.size > 700) this.peaks.delete(this.peaks.keys().next().value);
  }

  want(key, work) { if (!this.queued?.has(key)) (this.next ??= new Map()).set(key, work); }

  load() { // what this picture lacks, a few at a time; what was wanted before and is not seen now is dropped
    this.wanted = this.next ?? new Map();
    this.next = new Map();
    this.queued ??= new Set();
    while (this.loading < 3 && this.wanted.size) {
      const [key, work] = [...this.wanted.entries()].find(([name]) => name[0] === "p") ?? this.wanted.entries().next().value;
      this.wanted.delete(key);
      this.queued.add(key);
      this.loading++;
      work().catch(() => { if (key[0] === "t") this.thumbs.set(key.slice(1), {}); }).finally(() => { this.loading--; setTimeout(() => this.queued.delete(key), key[0] === "t" ? 500 : 50); this.draw(); });
    }
  }

  events(c, width) {
    const { ink, model } = this;
    this.layers.forEach(layer => {
      const y = this.top(layer);
      c.fillStyle = ink.line;
      c.fillRect(0, y + this.high(layer) - 1, width, 1);
    });
    this.tops = new Map(this.layers.map(layer => [layer, this.top(layer)])); // once for thousands of events
    for (const event of this.visible()) {
      const { x, y, width: w, height: h } = this.box(event), on = model.isHeard(event), chosen = model.selection.has(event.id);
      c.globalAlpha = 0.35 + 0.65 * Math.min(1, event.confidence);
      c.fillStyle = !on ? ink.off : event.kind === "bed" ? ink.bed : ink.hit;
      c.fillRect(x, y, w, h);
      c.globalAlpha = 1;
      if (event.kind === "hit") { c.fillStyle = on ? ink.accent : ink.dim; c.fillRect(x, y, 2, h); }
      if (w < 8 && !chosen) continue; // seen from afar
      const level = y + h * (1 - (Math.max(SOFTEST, Math.min(LOUDEST, event.level_db)) - SOFTEST) / (LOUDEST - SOFTEST));
      c.fillStyle = ink.ink;
      c.globalAlpha = 0.55;
      c.fillRect(x, level, w, 1);
      c.globalAlpha = 1;
      if (chosen) {
        c.strokeStyle = ink.sel;
        c.lineWidth = 2;
        c.strokeRect(x + 1, y + 1, Math.max(2, w - 2), h - 2);
        if (w > 40) { c.fillStyle = ink.sel; c.beginPath(); c.arc(x + w / 2 + event.pan * (w / 2 - 6), y + h - 5, 3.5, 0, 7); c.fill(); }
      }
      const first = event.group === event.id, room = first ? this.room(event, w) : 0;
      if (room > 26) {
        c.save();
        c.beginPath();
        c.rect(x, y, room, h);
        c.clip();
        c.fillStyle = on ? ink.ink : ink.dim;
        c.fillText(event.what + (event.surface ? ` · ${event.surface}` : ""), x + 5, y + Math.min(10, h / 2));
        c.restore();
      }
    }
    this.tops = null;
  }

  room(event, w) { return event.kind === "bed" ? this.model.members(event).reduce((sum, member) => sum + member.duration, 0) * this.scale : w; }

  visible() { // events by start; long ones may begin far to the left
    const { order } = this.model, found = [];
    for (const event of order) {
      if (event.start > this.to) break;
      if (Math.max(event.end ?? 0, event.start + event.duration, event.start + 0.05) >= this.from) found.push(event);
    }
    return found;
  }

  // -- hands ---------------------------------------------------------------------------------------
  place(event) { const box = this.canvas.getBoundingClientRect(); return { x: event.clientX - box.left, y: event.clientY - box.top }; }

  hit({ x, y }) {
    let best = null;
    for (const event of this.visible()) {
      const box = this.box(event);
      if (y < box.y || y > box.y + box.height || x < box.x - 3 || x > box.x + Math.max(8, box.width) + 3) continue;
      const part = box.width > 18 && x > box.x + box.width - EDGE ? "end" : event.kind === "bed" && box.width > 18 && x < box.x + EDGE ? "start" : "body";
      const chosen = this.model.selection.has(event.id);
      const level = box.y + box.height * (1 - (Math.max(SOFTEST, Math.min(LOUDEST, event.level_db)) - SOFTEST) / (LOUDEST - SOFTEST));
      const knob = box.x + box.width / 2 + event.pan * (box.width / 2 - 6);
      const handle = chosen && box.width > 40 && Math.abs(x - knob) < 7 && Math.abs(y - (box.y + box.height - 5)) < 6 ? "pan" : chosen && part === "body" && box.height > 14 && Math.abs(y - level) < 4 ? "level" : part;
      if (!best || Math.abs(x - box.x) < Math.abs(x - best.box.x)) best = { event, part: handle, box };
    }
    return best;
  }

  layerAt(y) { return this.layers.find(layer => y >= this.top(layer) && y < this.top(layer) + this.high(layer)); }

  hover(event) {
    if (this.drag) return;
    const found = this.hit(this.place(event));
    this.canvas.style.cursor = !found ? "default" : { start: "ew-resize", end: "ew-resize", level: "ns-resize", pan: "ew-resize", body: "grab" }[found.part];
    this.canvas.title = found ? `${found.event.what}${found.event.label || found.event.unheard ? ` (${found.event.label || found.event.unheard})` : ""}` : "";
  }

  down(event) {
    if (event.button > 1) return;
    const at = this.place(event), found = this.hit(at), { model } = this;
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    if (event.button === 1) this.drag = { kind: "view", from: this.from, at };
    else if (at.y < this.above) this.drag = event.shiftKey ? { kind: "loop", from: model.snap(this.t(at.x)) } : { kind: "seek" };
    else if (!found) this.drag = { kind: "band", at, before: event.shiftKey ? new Set(model.selection) : new Set() };
    else {
      if (event.shiftKey || event.ctrlKey || event.metaKey) { model.toggle(found.event); this.drag = { kind: "none" }; }
      else {
        if (!model.selection.has(found.event.id)) model.select([found.event]);
        this.drag = { kind: found.part, at, event: found.event, box: found.box, was: new Map(model.selected.map(each => [each.id, { ...each }])) };
      }
    }
    const row = Math.floor((at.y - RULER - STRIP - MOTION) / this.each);
    if (this.drag.kind === "seek" && model.takesShown && row >= 0) this.hands.hearTake(model.takes[row]);
    if (this.drag.kind === "seek") this.hands.seek(model.snap(this.t(at.x)));
    const move = next => this.move(next), up = next => {
      this.canvas.removeEventListener("pointermove", move);
      this.canvas.removeEventListener("pointerup", up);
      this.canvas.removeEventListener("pointercancel", up);
      this.up(next);
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", up);
    this.canvas.addEventListener("pointercancel", up);
  }

  move(event) {
    const { drag, model } = this, at = this.place(event);
    if (!drag) return;
    if (drag.at && Math.hypot(at.x - drag.at.x, at.y - drag.at.y) > 3) drag.moved = true;
    if (drag.kind === "seek") this.hands.seek(model.snap(this.t(at.x)));
    else if (drag.kind === "view") { this.from = drag.from - (at.x - drag.at.x) / this.scale; this.fitted = false; this.bound(); }
    else if (drag.kind === "loop") { const to = model.snap(this.t(at.x)); this.loop = Math.abs(to - drag.from) > 1e-3 ? [Math.min(to, drag.from), Math.max(to, drag.from)] : null; }
    else if (drag.kind === "band") this.bandSelect(drag, at);
    else if (drag.moved && drag.was) this.reshape(drag, at, event);
    this.draw();
  }

  bandSelect(drag, at) {
    this.band = { x: Math.min(at.x, drag.at.x), y: Math.min(at.y, drag.at.y), width: Math.abs(at.x - drag.at.x), height: Math.abs(at.y - drag.at.y) };
    const { x, y, width, height } = this.band, { model } = this;
    model.selection = new Set(drag.before);
    for (const event of this.visible()) {
      const box = this.box(event);
      if (box.x < x + width && box.x + box.width > x && box.y < y + height && box.y + box.height > y) for (const member of model.members(event)) model.selection.add(member.id);
    }
    model.tell("selection");
  }

  // Show what a drag would do; the change is asked for when the hand lets go.
  reshape(drag, at, event) {
    const { model } = this, by = (at.x - drag.at.x) / this.scale, was = drag.was.get(drag.event.id);
    if (drag.kind === "body") {
      const first = Math.min(...[...drag.was.values()].map(each => each.start));
      const shift = Math.max(-first, model.snap(was.start + by, event.altKey) - was.start);
      const layer = this.layerAt(at.y), from = this.layerAt(drag.at.y);
      drag.layer = layer !== undefined && layer !== from ? layer : undefined;
      for (const [id, old] of drag.was) { const each = model.events.get(id); if (each) { each.start = old.start + shift; each.end = (old.end ?? old.start) + shift; if (drag.layer !== undefined) each.layer = drag.layer; } }
      if (drag.layer !== undefined) this.arrange();
    } else if (drag.kind === "end" || drag.kind === "start") {
      const group = model.members(drag.event), edge = drag.kind === "end" ? group[group.length - 1] : group[0], old = drag.was.get(edge.id) ?? was, now = model.events.get(edge.id);
      if (drag.kind === "end") { const end = model.snap((edge.kind === "bed" ? old.start + old.duration : Math.max(old.end ?? 0, old.start + 0.05)) + by, event.altKey); now.duration = Math.max(0.02, end - old.start); now.end = now.start + now.duration; }
      else { const start = Math.min(old.start + old.duration - 0.02, model.snap(old.start + by, event.altKey)); now.start = Math.max(0, start); now.duration = old.duration + old.start - now.start; }
      drag.edge = edge.id;
    } else if (drag.kind === "level") {
      const db = -(at.y - drag.at.y) / Math.max(10, drag.box.height) * (LOUDEST - SOFTEST);
      for (const [id, old] of drag.was) { const each = model.events.get(id); if (each) each.level_db = Math.round(2 * Math.max(-60, Math.min(40, old.level_db + db))) / 2; }
    } else if (drag.kind === "pan") {
      const pan = (at.x - drag.at.x) / Math.max(10, drag.box.width / 2 - 6);
      for (const [id, old] of drag.was) { const each = model.events.get(id); if (each) each.pan = Math.round(20 * Math.max(-1, Math.min(1, old.pan + pan))) / 20; }
    }
    model.tell("dragging");
  }

  up(event) {
    const { drag, model } = this;
    this.drag = this.band = null;
    if (!drag) return this.draw();
    if (drag.was && !drag.moved) { this.hands.hear(drag.event); return this.draw(); }
    if (drag.kind === "band" && !drag.moved && !event.shiftKey) { model.select([]); this.hands.seek(model.snap(this.t(drag.at.x))); }
    if (!drag.was) { this.hands.looped(); return this.draw(); }
    const now = id => model.events.get(id), ids = [...drag.was.keys()].filter(now);
    const label = { body: drag.layer !== undefined ? "change the layer" : "move", end: "change the length", start: "change the length", level: "level", pan: "pan" }[drag.kind];
    const rows = {};
    for (const id of drag.edge !== undefined ? [drag.edge] : ids) {
      const each = now(id), old = drag.was.get(id) ?? {};
      const fields = {};
      if (each.start !== old.start) fields.start = seconds(each.start);
      if (each.duration !== old.duration) fields.duration = seconds(each.duration);
      if (each.layer !== old.layer) fields.layer = each.layer;
      if (each.level_db !== old.level_db) fields.level_db = each.level_db;
      if (each.pan !== old.pan) fields.pan = each.pan;
      if (Object.keys(fields).length) rows[id] = fields;
    }
    if (Object.keys(rows).length) model.change(label, rows).then(() => this.hands.hear(model.events.get(drag.event.id)));
    this.draw();
  }

  async double(event) {
    const at = this.place(event), layer = this.layerAt(at.y);
    if (layer === undefined) return;
    if (this.hit(at)) return this.hands.word();
    const id = await this.model.add(this.model.snap(this.t(at.x), event.altKey), layer);
    if (id !== undefined) this.hands.word();
  }

  wheel(event) {
    if (event.ctrlKey || event.metaKey) { event.preventDefault(); this.zoom(2 ** (-event.deltaY / 200), this.t(this.place(event).x)); }
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); this.pan((event.deltaX || event.deltaY) / this.scale); }
  }

  say(event) { return nameOf(event, this.model); }
}
