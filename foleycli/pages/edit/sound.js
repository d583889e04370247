// The sound: seconds of it from the server, laid end to end on the audio clock, which leads.
import { ask } from "./model.js";

const AHEAD = 1.6, BLOCK = 1, KEPT = 40; // seconds that are laid ahead, of a block; blocks in memory

export class Sound extends EventTarget {
  constructor(model) {
    super();
    this.model = model;
    this.blocks = new Map();  // number -> {buffer | promise}
    this.own = new Map();
    this.laid = new Map();    // "foley 3" -> source
    this.playing = false;
    this.rate = 1;
    this.at = 0;              // seconds, when not playing
    this.latencies = [];
    this.generation = 0;
  }

  start() {
    if (this.context) return;
    this.context = new AudioContext({ sampleRate: this.model.project.rate, latencyHint: "interactive" });
    this.foley = this.context.createGain();
    this.film = this.context.createGain();
    this.film.gain.value = 0;
    this.foley.connect(this.context.destination);
    this.film.connect(this.context.destination);
  }

  setGain(which, db) {
    this.start();
    this[which].gain.value = db <= -40 ? 0 : 10 ** (db / 20);
    if (which === "film" && this.playing) this.lay();
  }

  get time() {
    if (!this.playing) return this.at;
    const time = this.from + Math.max(0, this.context.currentTime - this.began) * this.rate;
    return Math.min(time, this.until ?? this.model.duration);
  }

  async play(from, { until = null, rate = 1 } = {}) {
    this.start();
    this.stop();
    if (this.context.state !== "running") await this.context.resume();
    this.rate = rate;
    this.from = this.at = from;
    this.until = until === null ? this.model.duration : Math.min(until, this.model.duration);
    const turn = ++this.generation;
    await this.block(Math.floor(from / BLOCK)).catch(() => null); // heard from its first sample
    if (turn !== this.generation) return false;
    this.began = this.context.currentTime + 0.03;
    this.playing = true;
    this.lay();
    this.timer = setInterval(() => this.lay(), 80);
    return true;
  }

  stop() {
    this.at = this.time;
    this.generation++;
    this.playing = false;
    clearInterval(this.timer);
    for (const source of this.laid.values()) { try { source.stop(); } catch { /* not begun */ } source.disconnect(); }
    this.laid.clear();
  }

  // Lay the blocks that come next; those that are there already stay.
  lay() {
    if (!this.playing) return;
    const now = this.time;
    if (now >= this.until - 1e-4) { this.stop(); this.at = Math.min(this.until, this.model.duration); this.dispatchEvent(new Event("end")); return; }
    const last = Math.min(this.until, now + AHEAD * Math.max(1, this.rate));
    for (let number = Math.floor(now / BLOCK); number * BLOCK < last; number++) {
      this.place("foley", number, this.block(number));
      if (this.film.gain.value > 0 && this.model.state.own && this.model.state.speed === 1) this.place("film", number, this.ownBlock(number));
    }
  }

  async place(which, number, block) {
    const key = `${which} ${number}`, turn = this.generation;
    if (this.laid.has(key)) return;
    this.laid.set(key, { stop() {}, disconnect() {} }); // taken
    let buffer = null;
    try { buffer = await block; } catch { /* silent */ }
    if (turn !== this.generation || !this.playing) return;
    if (!buffer) return;
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.playbackRate.value = this.rate;
    source.connect(this[which]);
    const begin = number * BLOCK;
    let when = this.began + (begin - this.from) / this.rate, offset = 0;
    const soonest = this.context.currentTime + 0.005;
    if (when < soonest) { offset = (soonest - when) * this.rate; when = soonest; }
    if (this.from > begin && when <= this.began) { offset = Math.max(offset, this.from - begin); when = Math.max(this.began, soonest); offset = Math.max(offset, this.from + (when - this.began) * this.rate - begin); }
    const length = Math.min(buffer.duration, this.until - begin) - offset;
    if (length <= 0) return;
    source.start(when, offset, length);
    source.onended = () => { source.disconnect(); };
    this.laid.set(key, source);
    if (which === "foley" && this.pending && this.pending.has(number)) this.measured(when);
  }

  measured(when) { // from the hand's change to the sample that has it
    const wait = Math.max(0, when - this.context.currentTime) * 1000;
    this.latencies.push(performance.now() - this.model.asked + wait);
    this.pending = null;
  }

  block(number) {
    if (!this.blocks.has(number)) {
      const entry = { promise: null };
      const from = number * BLOCK, to = from + BLOCK;
      const body = JSON.stringify(this.model.silent), { heardTake, state: { channels } } = this.model;
      const take = heardTake === null ? "" : `&take=${heardTake}`;
      entry.promise = ask(`media/sound/${this.model.desk}?from=${from}&to=${to}${take}`, { method: "POST", headers: { "Content-Type": "application/json" }, body })
        .then(answer => answer.arrayBuffer()).then(data => this.buffer(data, channels))
        .catch(error => { if (this.blocks.get(number) === entry) this.blocks.delete(number); throw error; });
      this.blocks.set(number, entry);
      this.trim(this.blocks, number);
    }
    return this.blocks.get(number).promise;
  }

  ownBlock(number) {
    if (!this.own.has(number)) {
      const from = number * BLOCK;
      this.own.set(number, { promise: ask(`media/own/${this.model.desk}?from=${from}&to=${from + BLOCK}`).then(answer => answer.arrayBuffer()).then(data => this.buffer(data)) });
      this.trim(this.own, number);
    }
    return this.own.get(number).promise;
  }

  buffer(data, channels = 1) {
    const samples = new Float32Array(data), length = samples.length / channels;
    if (!length) return null;
    const buffer = this.context.createBuffer(channels, length, this.model.project.rate);
    for (let channel = 0; channel < channels; channel++) {
      const own = buffer.getChannelData(channel);
      for (let i = 0, at = channel; i < length; i++, at += channels) own[i] = samples[at];
    }
    return buffer;
  }

  trim(map, near) {
    if (map.size <= KEPT) return;
    const far = [...map.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near));
    for (const number of far.slice(0, map.size - KEPT)) map.delete(number);
  }

  // What sounds otherwise now: forget it, and lay it anew where it is being played.
  changed(spans) {
    const numbers = new Set();
    for (const [from, to] of spans)
      for (let number = Math.max(0, Math.floor(from / BLOCK)); number * BLOCK <= to && number * BLOCK <= this.model.duration; number++) numbers.add(number);
    for (const number of numbers) this.blocks.delete(number);
    this.pending = numbers;
    if (!this.playing) return;
    const now = Math.floor(this.time / BLOCK);
    for (const number of numbers) {
      const key = `foley ${number}`, old = this.laid.get(key);
      if (!old) continue;
      if (number < now) continue;
      this.block(number).then(() => { // the old one goes on until the new one is here
        if (this.laid.get(key) !== old) return;
        try { old.stop(this.context.currentTime + 0.005); } catch { /* not begun */ }
        this.laid.delete(key);
        this.lay();
      }).catch(() => {});
    }
  }

  forget() { this.stop(); this.blocks.clear(); this.own.clear(); this.at = 0; }
}
