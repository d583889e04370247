// The page: what the server, the film, the sound, the lanes and the hands have to do with each other.
import { Film } from "./film.js";
import { bindKeys } from "./keys.js";
import { Lanes } from "./lanes.js";
import { Model, seconds } from "./model.js";
import { Sound } from "./sound.js";

const $ = id => document.getElementById(id);
const model = new Model();
const film = new Film($("film"), model);
const sound = new Sound(model);
let time = 0, speed = 0, reverse = null, alternatives = [], alternativesOf = null;

const hands = {
  seek(to) {
    const was = sound.playing;
    if (was) { sound.stop(); film.pause(); }
    stopReverse();
    setTime(Math.max(0, Math.min(to, model.startOf(Infinity))));
    film.show(time);
    if (was) play(time);
  },
  toggle() { sound.playing || reverse ? pause() : play(time); },
  shuttle(key) {
    if (key === "k") return pause();
    const sign = key === "l" ? 1 : -1;
    speed = Math.sign(speed) === sign ? Math.max(-8, Math.min(8, speed * 2)) : sign;
    if (speed > 0) play(time, { rate: speed }); else playBack();
  },
  step(frames) { pause(); const [frame] = model.frameAt(time + 1e-5); hands.seek(model.startOf(frame + frames)); },
  hear(event) {
    if (!event) return;
    const group = model.members(event), end = Math.max(...group.map(each => each.end ?? each.start + each.duration));
    const from = event.start;
    setTime(from);
    play(from, { until: Math.min(end + 0.02, from + (event.kind === "bed" ? 3 : 4)), back: from });
  },
  hearSelected() { hands.hear(model.selected[0]); },
  onCanvas: () => document.activeElement === $("lanes"),
  go(by) {
    const firsts = model.order.filter(event => event.group === event.id || !model.events.has(event.group));
    if (!firsts.length) return "pass";
    const now = model.one ? firsts.findIndex(event => event.group === model.one.group) : -1;
    const next = now < 0 ? (by > 0 ? firsts.findIndex(event => event.start >= time - 1e-6) : firsts.findLastIndex(event => event.start < time)) : now + by;
    if (next < 0 || next >= firsts.length) return now < 0 ? undefined : "pass";
    model.select([firsts[next]]);
    setTime(firsts[next].start);
    film.show(time);
    lanes.reveal(firsts[next].start);
  },
  nudge(frames) {
    const all = model.selected;
    if (!all.length) return;
    const first = all[0], [frame] = model.frameAt(first.start + 1e-5);
    const shift = model.startOf(frame + frames) - model.startOf(frame);
    const least = Math.min(...all.map(event => event.start)), by = Math.max(-least, shift);
    change("move", event => ({ start: seconds(event.start + by) }));
  },
  louder(by) { change("level", event => ({ level_db: Math.max(-60, Math.min(40, event.level_db + by)) })); },
  turn(by) { change("pan", event => ({ pan: Math.max(-1, Math.min(1, Math.round((event.pan + by) * 20) / 20)) })); },
  async alternative(which) {
    const event = model.one;
    if (!event) return;
    if (alternativesOf !== event.id) await showAlternatives();
    const now = alternatives.findIndex(each => each.current);
    const number = which === "next" ? (now + 1) % alternatives.length : which === "last" ? (now - 1 + alternatives.length) % alternatives.length : which - 1;
    const chosen = alternatives[number];
    if (chosen) await choose(event, chosen);
  },
  word() { if (model.selected.length) { $("what").focus(); $("what").select(); } },
  async add() { const layer = model.one?.layer ?? model.project.layers[2] ?? ""; if (await model.add(model.snap(time), layer) !== undefined) hands.word(); },
  remove() { model.remove(); },
  clip(key) {
    if (key === "c" || key === "x") { if (!model.copy()) return "pass"; if (key === "x") model.remove(); }
    if (key === "v") model.paste(time);
    if (key === "d" && model.copy()) { const all = model.selected; model.paste(model.snap(Math.max(...all.map(event => event.kind === "bed" ? event.start + event.duration : event.start)) + (all[0].kind === "bed" ? 0 : 0.5))); }
  },
  all() { model.select(model.order); },
  none() { model.select([]); },
  undo() { model.undo(); },
  redo() { model.redo(); },
  takes() {
    if (!model.project?.takes.length) return;
    model.takesShown = !model.takesShown;
    if (!model.takesShown) hands.hearTake(model.state.take);
    takesShown();
  },
  hearTake(seed) {
    const take = model.takeOf(seed);
    if (take === model.heardTake) return;
    model.heardTake = take;
    sound.changed([[0, model.duration]]);
    lanes.headings();
    lanes.draw();
    $("said").textContent = `Take ${seed}`;
  },
  nthTake(n) {
    if (!model.takesShown) hands.takes();
    const seed = model.takes[n - 1];
    if (model.takesShown && seed !== undefined) hands.hearTake(seed);
  },
  keepTake(seed = model.heardTake ?? model.state.take) {
    hands.hearTake(seed);
    if (seed !== model.state.take) model.keep(seed);
  },
  mute() { const ids = model.selected.map(event => event.id); if (ids.length) model.flip(model.muted, ids); },
  solo() { const ids = model.selected.map(event => event.id); if (ids.length) model.flip(model.soloed, ids); },
  loop(key) {
    const all = model.selected;
    if (key === "q") $("loop").checked = !$("loop").checked;
    else {
      const [from, to] = lanes.loop ?? [0, model.duration];
      lanes.loop = key === "i" ? [time, Math.max(to, time + 0.1)] : [Math.min(from, time - 0.1), time];
      $("loop").checked = true;
    }
    if ($("loop").checked && !lanes.loop && all.length) lanes.loop = [Math.min(...all.map(event => event.start)), Math.max(...all.map(event => event.end ?? event.start + event.duration))];
    lanes.draw();
  },
  looped() { if (lanes.loop) $("loop").checked = true; },
  zoom(key) { if (key === "0") { lanes.fit(); lanes.draw(); } else lanes.zoom(/[+=]/.test(key) ? 1.5 : 1 / 1.5); },
  zoomed() { if (lanes) $("zoom").value = Math.round(100 * Math.log(lanes.scale / lanes.least) / Math.max(0.01, Math.log(2400 / lanes.least))); },
  render() { render(false); },
  help() { $("keys").showModal(); },
};
let lanes = null;
lanes = new Lanes($("lanes"), $("heads"), model, hands);
bindKeys(hands);

// -- time -------------------------------------------------------------------------------------------
function setTime(to) {
  time = lanes.time = to;
  $("time").value = model.state ? model.timecode(to) : "00:00:00:00";
  lanes.head();
}

async function play(from, options = {}) {
  stopReverse();
  if (model.state?.stage !== "ready") { say("The film is still being looked at."); return; }
  if (from >= model.duration - 0.02) from = 0;
  if ($("loop").checked && lanes.loop && options.until === undefined) {
    if (from < lanes.loop[0] || from >= lanes.loop[1] - 0.01) from = lanes.loop[0];
    options = { ...options, until: lanes.loop[1] };
  }
  play.back = options.back ?? null;
  speed = options.rate ?? 1;
  setTime(from);
  film.show(from);
  if (await sound.play(from, options)) film.play(from, sound.rate);
  drawPlay();
}

function pause() {
  stopReverse();
  speed = 0;
  if (sound.playing) { sound.stop(); setTime(model.snap(sound.at)); }
  film.pause();
  film.show(time);
  drawPlay();
}

function playBack() {
  sound.stop();
  film.pause();
  stopReverse();
  let last = performance.now();
  reverse = setInterval(() => {
    const now = performance.now(), to = Math.max(0, time + speed * (now - last) / 1000);
    last = now;
    setTime(to);
    film.show(to);
    if (to <= 0) pause();
  }, 40);
  drawPlay();
}

function stopReverse() { clearInterval(reverse); reverse = null; }

sound.addEventListener("end", () => {
  if ($("loop").checked && lanes.loop && play.back === null) return void play(lanes.loop[0], { rate: speed || 1 });
  film.pause();
  setTime(play.back ?? sound.at);
  film.show(time);
  speed = 0;
  drawPlay();
});

function drawPlay() {
  const on = sound.playing || reverse !== null;
  $("play").textContent = on ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
}

function tick() {
  if (sound.playing) {
    setTime(sound.time);
    film.follow(time, sound.rate);
    if (lanes.x(time) > lanes.width * 0.95 && lanes.fitted !== true && !lanes.drag) { lanes.from = time - 0.1 * lanes.width / lanes.scale; lanes.bound(); lanes.draw(); }
  }
  requestAnimationFrame(tick);
}
requestAnimationFrame(tick);

// -- the inspector -------------------------------------------------------------------------------------
async function change(label, make) { const [first] = model.selected; await model.set(label, make); if (!sound.playing && first) hands.hear(model.events.get(first.id)); }

async function choose(event, chosen) {
  alternatives.forEach(each => { each.current = each.recording === chosen.recording; });
  drawAlternatives();
  const rows = Object.fromEntries(model.members(event).map(member => [member.id, { recording: chosen.recording }]));
  await model.change("another recording", rows);
  if (!sound.playing) hands.hear(model.events.get(event.id));
}

function inspect() {
  const all = model.selected, one = model.one, first = all[0];
  $("nothing").hidden = all.length > 0;
  $("event").hidden = !all.length;
  if (!first) return;
  const put = (id, value) => { if (document.activeElement !== $(id)) $(id).value = value; };
  const same = name => all.every(event => event[name] === first[name]) ? first[name] : "";
  put("what", same("what"));
  put("kind", same("kind"));
  put("layer", same("layer"));
  put("surface", same("surface"));
  put("start", one ? first.start.toFixed(3) : "");
  put("duration", one ? (model.members(first).reduce((sum, event) => sum + event.duration, 0)).toFixed(3) : "");
  put("distance", same("distance"));
  $("duration").disabled = !one || model.members(first).length > 1;
  $("start").disabled = !one;
  put("level", first.level_db);
  put("pan", first.pan);
  $("level-out").value = `${first.level_db > 0 ? "+" : ""}${first.level_db} dB`;
  $("pan-out").value = first.pan === 0 ? "centre" : `${Math.round(Math.abs(first.pan) * 100)} ${first.pan < 0 ? "left" : "right"}`;
  $("evidence").textContent = one ? [first.evidence && `Seen: ${first.evidence}`, first.label && `Heard: ${first.label}`, first.unheard && `Heard: ${first.unheard}`, first.confidence < 1 && `Sure: ${Math.round(first.confidence * 100)} %`].filter(Boolean).join(". ") : `${all.length} events`;
  const said = one ? lanes.say(first) : `${all.length} events selected`;
  if ($("said").textContent !== said) $("said").textContent = said;
}

async function showAlternatives() {
  const event = model.one;
  if (!event) { alternatives = []; alternativesOf = null; return drawAlternatives(); }
  const key = event.id;
  try {
    const found = await model.alternatives(key);
    if (model.one?.id !== key) return;
    if (alternativesOf === key && same(found)) alternatives.forEach(each => { each.current = found.find(other => other.id === each.id)?.current ?? false; });
    else alternatives = found;
    alternativesOf = key;
  } catch { alternatives = []; }
  drawAlternatives();
}
// One's own order stays while one walks through them, though the chosen one is now the first found.
const same = found => found.length === alternatives.length && found.every(each => alternatives.some(other => other.id === each.id));

function drawAlternatives() {
  $("alternatives").hidden = !alternatives.length;
  $("alternatives").querySelector("ol").replaceChildren(...alternatives.map((each, number) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = `${number + 1}  ${each.label}`;
    button.title = each.id;
    button.setAttribute("aria-pressed", each.current);
    button.addEventListener("click", () => choose(model.one, each));
    item.append(button);
    return item;
  }));
}

const edits = {
  kind: (event, value) => ({ kind: value }),
  layer: (event, value) => ({ layer: value }),
  surface: (event, value) => ({ surface: value }),
  start: (event, value) => { const by = number(value) - model.selected[0].start; return { start: seconds(event.start + by) }; },
  duration: (event, value) => ({ duration: seconds(Math.max(0.001, number(value))) }),
  distance: (event, value) => ({ distance: number(value) }),
  level: (event, value) => ({ level_db: event.level_db + Number(value) - model.selected[0].level_db }),
  pan: (event, value) => ({ pan: Number(value) }),
};
const number = value => { const read = Number(String(value).replace(",", ".")); if (!Number.isFinite(read)) throw new Error(`${value} is not a number.`); return read; };
for (const [id, make] of Object.entries(edits))
  $(id).addEventListener("change", () => {
    const { value } = $(id);
    try { const rows = model.selected.map(event => [event.id, make(event, value)]); change(id, event => rows.find(([key]) => key === event.id)?.[1]); }
    catch (error) { say(error.message); inspect(); }
  });
$("level").addEventListener("input", () => { $("level-out").value = `${$("level").value} dB`; });
$("event").addEventListener("submit", event => event.preventDefault());

// Words: completed from the bank; typed freely.
let offered = [], at = -1;
function offer() {
  const typed = $("what").value.toLowerCase().trim();
  const begins = [], holds = [];
  if (typed) for (const word of model.words) {
    const lower = word.toLowerCase();
    if (lower.startsWith(typed)) begins.push(word); else if (typed.split(/\s+/).every(part => lower.includes(part))) holds.push(word);
    if (begins.length > 40) break;
  }
  offered = [...begins, ...holds].slice(0, 40);
  at = -1;
  $("words").replaceChildren(...offered.map((word, n) => {
    const item = document.createElement("li");
    item.textContent = word;
    item.id = `word-${n}`;
    item.setAttribute("role", "option");
    item.addEventListener("pointerdown", event => { event.preventDefault(); setWord(word); });
    return item;
  }));
  $("words").hidden = !offered.length;
  $("what").setAttribute("aria-expanded", offered.length > 0);
}
function mark() {
  [...$("words").children].forEach((item, n) => item.setAttribute("aria-selected", n === at));
  $("words").children[at]?.scrollIntoView({ block: "nearest" });
  $("what").setAttribute("aria-activedescendant", at >= 0 ? `word-${at}` : "");
}
function close() { $("words").hidden = true; $("what").setAttribute("aria-expanded", false); }
async function setWord(word) {
  close();
  $("what").value = word;
  $("lanes").focus();
  const text = word.trim();
  if (text && model.selected.some(event => event.what !== text)) { alternativesOf = null; await change("another word", () => ({ what: text, recording: "" })); showAlternatives(); }
}
$("what").addEventListener("input", offer);
$("what").addEventListener("keydown", event => {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") { at = Math.max(-1, Math.min(offered.length - 1, at + (event.key === "ArrowDown" ? 1 : -1))); mark(); event.preventDefault(); }
  if (event.key === "Enter") { event.preventDefault(); setWord(at >= 0 ? offered[at] : $("what").value); }
  if (event.key === "Escape") { close(); inspect(); $("lanes").focus(); event.preventDefault(); }
});
$("what").addEventListener("blur", () => { close(); if (model.selected.length && $("what").value.trim() && model.selected.some(event => event.what !== $("what").value.trim())) setWord($("what").value); });

// A sound that is dropped: events that sound like it.
for (const [what, over] of [["dragover", true], ["dragleave", false], ["drop", false]])
  addEventListener(what, async event => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (what !== "drop" || !event.dataTransfer.files.length) return;
    if (!model.selected.length) return say("Select the events first that shall sound like it.");
    try { const like = await model.like(event.dataTransfer.files[0]); await setLike(like); } catch (error) { say(error.message); }
  });
async function setLike(like) { alternativesOf = null; await change("sounds like a file", event => ({ what: `${event.what.replace(/\s*like:.*$/, "")} ${like}`.trim(), recording: "" })); showAlternatives(); }

// -- what the server says -----------------------------------------------------------------------------
function say(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(say.timer);
  if (text && !model.lost) say.timer = setTimeout(() => { $("notice").hidden = true; }, 7000);
}

function status() {
  const { state } = model;
  if (!state) return;
  document.title = `${state.title} – foley edit`;
  $("title").textContent = state.title;
  $("sheet").textContent = `${state.sheet}: every change is on disk`;
  $("undo").disabled = !state.undo;
  $("redo").disabled = !state.redo;
  $("undo").title = state.undo ? `Undo: ${state.undo} (Ctrl+Z)` : "Undo (Ctrl+Z)";
  $("redo").title = state.redo ? `Redo: ${state.redo} (Ctrl+Shift+Z)` : "Redo (Ctrl+Shift+Z)";
  $("own-label").hidden = !state.own || state.speed !== 1;
  const slow = state.stage === "ready" && !state.instant ? ` · ${state.model} renders anew after a change${state.seconds ? `: about ${Math.ceil(state.seconds)} s` : ""}` : "";
  $("waiting").textContent = state.stage === "ready" ? "" : state.trouble || `${state.stage} ${state.done ? `${Math.round(state.done * 100)} %` : "…"}`;
  if (!status.rendering) $("status").textContent = state.stage === "ready" ? `${state.events.length} event${state.events.length === 1 ? "" : "s"}${slow}` : $("waiting").textContent;
  if (!$("layer").options.length) for (const layer of [...model.project.layers, ""]) { const option = document.createElement("option"); option.value = layer; option.textContent = layer || "other"; $("layer").append(option); }
}

async function render(overwrite) {
  status.rendering = true;
  $("render").disabled = true;
  $("status").textContent = "rendering …";
  try { await model.last; await model.render(overwrite); } catch (error) { say(error.message); done(); }
}
function done() { status.rendering = false; $("render").disabled = false; status(); }
async function rendered(said) {
  if (said.rendering) { status.rendering = true; $("status").textContent = `rendering: ${said.rendering} ${Math.round(said.done * 100)} %`; return; }
  done();
  if (said.rendered) { $("status").textContent = `${said.rendered.out}: ${said.rendered.said}`; say(`Written: ${said.rendered.out}, ${said.rendered.said}`); }
  else if (said.exists) {
    $("ask").querySelector("p").textContent = said.failed;
    $("ask").returnValue = "";
    $("ask").showModal();
  } else say(`${said.failed} ${said.remedy}`);
}
$("ask").addEventListener("close", () => { if ($("ask").returnValue === "yes") render(true); });

// Takes: their waveforms stand one below the other, ranked once nothing changes for a moment.
let ranked = -1, ranking = null;
function takesShown() {
  $("takes").setAttribute("aria-pressed", model.takesShown);
  lanes.resize();
  rank();
}
function rank() {
  clearTimeout(ranking);
  if (model.takesShown && model.state.stage === "ready" && ranked !== model.state.revision)
    ranking = setTimeout(() => { ranked = model.state.revision; model.rank(); }, 700);
}
model.addEventListener("scores", () => lanes.headings());
model.addEventListener("state", () => { status(); lanes.changed(); inspect(); rank(); });
model.addEventListener("stage", () => { status(); lanes.draw(); });
model.addEventListener("selection", () => { inspect(); lanes.draw(); showAlternatives(); });
model.addEventListener("dragging", () => { inspect(); });
model.addEventListener("looked", () => { lanes.resize(); if (lanes.fitted) lanes.fit(); film.show(time); lanes.draw(); });
model.addEventListener("sound", event => { sound.changed(model.heardTake === null ? event.detail : [[0, model.duration]]); lanes.forget(event.detail); if (model.one) showAlternatives(); });
model.addEventListener("notice", event => say(event.detail));
model.addEventListener("render", event => rendered(event.detail));
model.addEventListener("desk", async () => {
  sound.forget();
  lanes.forgetAll();
  alternativesOf = null;
  setTime(0);
  lanes.fitted = true;
  lanes.resize();
  document.querySelectorAll("#shots button").forEach((button, n) => button.setAttribute("aria-current", n === model.desk));
  try { await film.open(); } catch (error) { say(error.message); }
});

addEventListener("focus", () => model.balance().then(() => lanes.resize()).catch(() => {})); // its table may have been edited
$("play").addEventListener("click", hands.toggle);
$("to-start").addEventListener("click", () => hands.seek(0));
$("back").addEventListener("click", () => hands.step(-1));
$("forth").addEventListener("click", () => hands.step(1));
$("undo").addEventListener("click", hands.undo);
$("redo").addEventListener("click", hands.redo);
$("help").addEventListener("click", hands.help);
$("render").addEventListener("click", hands.render);
$("takes").addEventListener("click", hands.takes);
$("loop").addEventListener("change", () => { if ($("loop").checked) { $("loop").checked = false; hands.loop("q"); } lanes.draw(); });
$("foley-gain").addEventListener("input", () => sound.setGain("foley", Number($("foley-gain").value)));
$("own-gain").addEventListener("input", () => sound.setGain("film", Number($("own-gain").value)));
$("zoom").addEventListener("input", () => { const want = lanes.least * (2400 / lanes.least) ** (Number($("zoom").value) / 100); lanes.zoom(want / lanes.scale); });

await model.open();
$("takes").hidden = !model.project.takes.length;
if (model.takesShown) takesShown();
if (model.project.titles.length > 1) {
  $("shots").hidden = false;
  $("shots").querySelector("ol").replaceChildren(...model.project.titles.map((title, n) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.textContent = title;
    button.setAttribute("aria-current", n === 0);
    button.addEventListener("click", () => { pause(); model.choose(n).catch(error => say(error.message)); });
    item.append(button);
    return item;
  }));
}
window.foley = { model, film, sound, lanes, hands, get time() { return time; } }; // for tests and the curious
document.body.dataset.ready = "yes";
