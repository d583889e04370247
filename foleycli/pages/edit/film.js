// The picture: pieces of all-intra video from the server, played by the browser, exact to the frame.
import { ask } from "./model.js";

const KEPT = 12; // pieces in memory

export class Film {
  constructor(video, model) {
    this.video = video;
    this.model = model;
    this.have = new Map();    // piece -> length in bytes
    this.loading = new Map(); // piece -> promise
    this.queue = Promise.resolve();
    this.wanted = 0;
  }

  async open() {
    this.close();
    this.serial = (this.serial ?? 0) + 1;
    const serial = this.serial;
    this.seconds = this.model.project.piece;
    const first = await this.fetch(0);
    if (serial !== this.serial || !first) return;
    const kind = `video/mp4; codecs="avc1.${profile(first)}"`;
    if (!("MediaSource" in window) || !MediaSource.isTypeSupported(kind)) throw new Error("This browser does not play H.264.");
    this.source = new MediaSource();
    this.video.src = this.url = URL.createObjectURL(this.source);
    await new Promise(done => this.source.addEventListener("sourceopen", done, { once: true }));
    this.buffer = this.source.addSourceBuffer(kind);
    this.source.duration = Math.max(0.1, this.model.duration * (this.model.state.speed || 1) + 1);
    this.append(0, first);
    this.show(this.time ?? 0);
  }

  close() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = this.source = this.buffer = null;
    this.have.clear();
    this.loading.clear();
    this.queue = Promise.resolve();
    this.video.removeAttribute("src");
    this.video.load();
  }

  async fetch(number) {
    const answer = await ask(`media/piece/${this.model.desk}/${number}`);
    return answer.status === 204 ? null : new Uint8Array(await answer.arrayBuffer());
  }

  filmTime(time) { return time * this.model.state.speed; }

  need(number) {
    if (number < 0 || !this.buffer || number * this.seconds > this.source.duration) return Promise.resolve();
    if (this.have.has(number)) return Promise.resolve();
    if (!this.loading.has(number)) {
      const serial = this.serial;
      const loading = this.fetch(number).then(data => {
        if (serial !== this.serial) return null;
        if (!data) { this.have.set(number, 0); return null; }
        return this.append(number, data);
      }).catch(() => null).finally(() => this.loading.delete(number));
      this.loading.set(number, loading);
    }
    return this.loading.get(number);
  }

  append(number, data) {
    this.have.set(number, data.length);
    const { buffer, source } = this;
    const operation = work => {
      this.queue = this.queue.then(() => new Promise(done => {
        if (this.buffer !== buffer || source.readyState !== "open") return done();
        buffer.addEventListener("updateend", done, { once: true });
        try { work(); } catch { done(); }
      }));
      return this.queue;
    };
    const done = operation(() => { buffer.timestampOffset = number * this.seconds; buffer.appendBuffer(data); });
    const far = [...this.have.keys()].sort((a, b) => Math.abs(b - this.wanted) - Math.abs(a - this.wanted));
    while (this.have.size > KEPT) {
      const old = far.shift();
      this.have.delete(old);
      operation(() => buffer.remove(old * this.seconds, (old + 1) * this.seconds));
    }
    return done;
  }

  // Show the picture of a time, still; the last one asked for wins.
  async show(time) {
    this.time = time;
    if (!this.buffer) return;
    const [, begin, end] = this.model.frameAt(time);
    const number = this.wanted = Math.floor((begin + 1e-6) / this.seconds);
    await this.need(number);
    if (this.time !== time) return;
    const middle = begin + Math.min(0.5 * (end - begin), 0.02);
    if (Math.abs(this.video.currentTime - middle) > 1e-4) this.video.currentTime = middle;
    this.need(number + 1);
    this.need(number - 1);
  }

  async play(time, rate) {
    this.time = time;
    if (!this.buffer) return;
    const film = this.filmTime(time);
    this.wanted = Math.floor(film / this.seconds);
    await this.need(this.wanted);
    this.need(this.wanted + 1);
    this.video.currentTime = film;
    this.video.playbackRate = Math.max(0.07, Math.min(16, rate * (this.model.state.speed || 1)));
    if (this.model.state.speed) await this.video.play().catch(() => {});
  }

  pause() { this.video.pause(); }

  // While it plays: stay with the sound's clock.
  follow(time, rate) {
    if (!this.buffer || !this.model.state.speed) return;
    this.time = time;
    const film = this.filmTime(time);
    this.wanted = Math.floor(film / this.seconds);
    this.need(this.wanted);
    this.need(this.wanted + 1);
    if (rate > 1) this.need(this.wanted + 2);
    const late = film - this.video.currentTime, base = rate * this.model.state.speed;
    if (Math.abs(late) > 0.35) { if (!this.video.seeking) this.video.currentTime = film; }
    else this.video.playbackRate = Math.max(0.07, Math.min(16, base * (1 + Math.max(-0.15, Math.min(0.15, Math.abs(late) < 0.015 ? 0 : late * 2)))));
  }
}

function profile(bytes) { // profile, constraints and level out of the avcC box
  for (let i = 4; i < bytes.length - 8; i++)
    if (bytes[i] === 0x61 && bytes[i + 1] === 0x76 && bytes[i + 2] === 0x63 && bytes[i + 3] === 0x43)
      return [...bytes.subarray(i + 5, i + 8)].map(byte => byte.toString(16).padStart(2, "0")).join("");
  return "64001f";
}
