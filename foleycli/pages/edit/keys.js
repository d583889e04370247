// Every key, what it does, and the list that `?` shows.

export function bindKeys(hands) {
  const keys = [
    ["Space", "play or pause", e => e.code === "Space", () => hands.toggle()],
    ["J K L", "play back, pause, play; again for faster", e => /^[jkl]$/i.test(e.key) && plain(e), e => hands.shuttle(e.key.toLowerCase())],
    ["← →", "one frame; with Shift ten", e => /^Arrow(Left|Right)$/.test(e.key) && plain(e), e => hands.step((e.key === "ArrowLeft" ? -1 : 1) * (e.shiftKey ? 10 : 1))],
    ["Home End", "to the start, to the end", e => e.key === "Home" || e.key === "End", e => hands.seek(e.key === "Home" ? 0 : Infinity)],
    ["Tab [ ]", "next and previous event (Shift+Tab back)", e => e.key === "Tab" && hands.onCanvas() || /^[[\]]$/.test(e.key), e => hands.go(e.key === "[" || e.shiftKey && e.key === "Tab" ? -1 : 1)],
    [", .", "move what is selected by a frame; with Shift by five", e => /^[,.<>;:]$/.test(e.key) && plain(e), e => hands.nudge((/[,<;]/.test(e.key) ? -1 : 1) * (e.shiftKey ? 5 : 1))],
    ["↑ ↓", "louder, softer by 1 dB", e => /^Arrow(Up|Down)$/.test(e.key) && plain(e) && !e.shiftKey, e => hands.louder(e.key === "ArrowUp" ? 1 : -1)],
    ["Shift+↑ ↓", "right, left", e => /^Arrow(Up|Down)$/.test(e.key) && plain(e) && e.shiftKey, e => hands.turn(e.key === "ArrowUp" ? 0.1 : -0.1)],
    ["1 … 5", "another recording of the selected event", e => /^[1-5]$/.test(e.key) && plain(e) && !e.shiftKey, e => hands.alternative(Number(e.key))],
    ["T, Shift+1 … 9", "takes side by side; hear one of them", e => plain(e) && (/^t$/i.test(e.key) && !e.shiftKey || e.shiftKey && /^Digit[1-9]$/.test(e.code)), e => e.shiftKey ? hands.nthTake(Number(e.code.slice(5))) : hands.takes()],
    ["Shift+T", "keep the take that is heard", e => e.key === "T" && plain(e) && e.shiftKey, () => hands.keepTake()],
    ["Alt+↑ ↓", "the next and the last recording", e => /^Arrow(Up|Down)$/.test(e.key) && e.altKey, e => hands.alternative(e.key === "ArrowDown" ? "next" : "last")],
    ["Enter", "type another word", e => e.key === "Enter" && plain(e), () => hands.word()],
    ["N", "a new event at the playhead", e => /^n$/i.test(e.key) && plain(e), () => hands.add()],
    ["Delete", "delete", e => e.key === "Delete" || e.key === "Backspace", () => hands.remove()],
    ["Ctrl+C X V D", "copy, cut, paste at the playhead, once more behind", e => ctrl(e) && /^[cxvd]$/i.test(e.key) && !e.shiftKey, e => hands.clip(e.key.toLowerCase())],
    ["Ctrl+A", "select all", e => ctrl(e) && /^a$/i.test(e.key), () => hands.all()],
    ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo, without end", e => ctrl(e) && /^[zy]$/i.test(e.key), e => e.shiftKey || /y/i.test(e.key) ? hands.redo() : hands.undo()],
    ["M S", "mute, solo what is selected", e => /^[ms]$/i.test(e.key) && plain(e), e => e.key.toLowerCase() === "m" ? hands.mute() : hands.solo()],
    ["P", "hear the selected event", e => /^p$/i.test(e.key) && plain(e), () => hands.hearSelected()],
    ["Q, I O", "loop; its begin and end", e => /^[qio]$/i.test(e.key) && plain(e), e => hands.loop(e.key.toLowerCase())],
    ["+ − 0", "zoom in, out, all", e => /^[-+=_0]$/.test(e.key) && plain(e), e => hands.zoom(e.key)],
    ["Ctrl+Enter", "render", e => ctrl(e) && e.key === "Enter", () => hands.render()],
    ["Esc", "select nothing", e => e.key === "Escape", () => hands.none()],
    ["?", "this list", e => e.key === "?", () => hands.help()],
  ];
  const mouse = [
    ["click", "hear an event; on the film or the ruler: go there"],
    ["drag", "move an event in time, or to another layer; snaps to frames, with Alt to peaks of motion"],
    ["drag an edge", "change its length"],
    ["drag the line, the dot", "level and pan of what is selected"],
    ["Shift+click, drag over", "select several"],
    ["Shift+drag on the ruler", "loop"],
    ["double-click", "add an event; on one: type another word"],
    ["Ctrl+wheel, Shift+wheel", "zoom, scroll"],
  ];
  document.addEventListener("keydown", event => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest?.("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (typing) { if (event.key === "Escape") event.target.blur(); return; }
    if (event.target.type === "range" && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    if (event.target.closest?.("button, a, [role=option]") && (event.key === "Enter" || event.code === "Space" || event.key === "Tab")) return;
    for (const [, , fits, act] of keys)
      if (fits(event)) { if (act(event) !== "pass") event.preventDefault(); return; }
  });
  const list = document.querySelector("#keys dl");
  for (const [key, what] of [...keys, ...mouse]) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = key;
    dd.textContent = what;
    list.append(dt, dd);
  }
}

const plain = event => !event.ctrlKey && !event.metaKey && !event.altKey;
const ctrl = event => event.ctrlKey || event.metaKey;
