#!/bin/sh
# A model from nothing: sounds are made, a bundle is trained on them, and it sounds a film.
#
#   sh examples/train_tiny.sh [FOLDER] [UPDATES]
#
# takes some five minutes on two cores. The model knows six things and no more; its sounds are those
# of a sketch. The same three commands train a better one on a folder of real sounds.
set -eu
out=${1:-runs/tiny}
updates=${2:-1000}
here=$(dirname "$0")
ffmpeg=${FOLEY_FFMPEG:-ffmpeg}
mkdir -p "$out/sounds"

# Six things, four takes of each: struck things ring and fade, the others go on.
echo "file,class,label" > "$out/sounds/sounds.csv"
make_sound() { # NAME TAKE CLASS LABEL SECONDS EXPRESSION
    "$ffmpeg" -v error -y -f lavfi -i "aevalsrc='$6':s=48000:d=$5" "$out/sounds/$1$2.wav"
    echo "$1$2.wav,$3,$4" >> "$out/sounds/sounds.csv"
}
for take in 1 2 3 4; do
    noise="(2*random($take)-1)"
    make_sound ball $take impact "basketball bounce" 0.8 \
        "0.7*sin(2*PI*$((70 + 9 * take))*t)*exp(-9*t)+0.4*$noise*exp(-70*t)"
    make_sound hammer $take impact_metal "hammer hits a nail" 0.6 \
        "0.4*(sin(2*PI*$((2100 + 170 * take))*t)+sin(2*PI*$((3700 + 90 * take))*t))*exp(-22*t)"
    make_sound wood $take impact_wood "knock on wood" 0.4 \
        "0.6*sin(2*PI*$((260 + 40 * take))*t)*exp(-35*t)+0.3*$noise*exp(-120*t)"
    make_sound rain $take water "rain" 6 "0.2*$noise"
    make_sound hum $take machine "machine hum" 6 \
        "0.3*sin(2*PI*$((50 + 10 * take))*t)+0.1*sin(2*PI*$((150 + 30 * take))*t)"
    make_sound siren $take signal "siren" 4 "0.3*sin(2*PI*(600*t-60*cos(2*PI*$take*t)))"
done

foley train autoencoder --preset tiny --sounds "$out/sounds" --out "$out/autoencoder"
foley train denoiser --preset tiny --sounds "$out/sounds" --out "$out/denoiser" \
    --autoencoder "$out/autoencoder" --updates "$updates"
foley train pack --sounds "$out/sounds" --run "$out/denoiser" --out "$out/bundle"

foley gen "$here/ball.mp4" --cues "$here/ball.csv" --model "$out/bundle" \
    -o "$out/ball.mp4" --wav --overwrite
echo "$out/ball.mp4"
