#!/usr/bin/env sh
# Does foley work here? One clip, its JSON, and the exit codes that a script can rely on.
#
#     sh examples/ci/smoke.sh [CLIP]
#
# Offline; needs `foley` and Python on PATH. Ends with 0, or says what is not as it should be.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
clip=${1:-$here/../ball.mp4}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

foley gen "$clip" -o "$folder/out.mp4" --seed 7 --wav --verify --offline --json --quiet >"$folder/said.json"

python3 - "$folder/said.json" <<'PYTHON'
import json, os, sys

said = json.load(open(sys.argv[1], encoding="utf-8"))
take = said["takes"][0]
assert said["duration"] > 0 and said["cues"] > 0, said
assert take["seed"] == 7 and take["track"]["title"] == "Foley", take
assert take["proof"]["packets"] > 0, "the picture was not proved the same"
assert all(os.path.getsize(take[file]) > 1000 for file in ("out", "wav", "recipe")), take
print(f"{said['cues']} cues, {said['duration']:.2f} s, sound {take['waveform_hash'][:12]}")
PYTHON

expect() { # the exit code, then the command
  wanted=$1
  shift
  code=0
  "$@" >/dev/null 2>&1 || code=$?
  [ "$code" = "$wanted" ] || { echo "exit code $code, not $wanted: $*" >&2; exit 1; }
}
expect 6 foley gen "$clip" -o "$folder/out.mp4"                   # the output exists
expect 3 foley gen "$folder/none.mp4"                             # no such clip
expect 2 foley gen "$clip" --loudness loud                        # an option that is not known
expect 0 foley redo "$folder/out.foley.json" -o "$folder/out.mp4" --overwrite
echo "foley works here"
