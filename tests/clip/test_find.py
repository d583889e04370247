"""What outputs are called that nobody named."""

from pathlib import Path

import pytest

from foleycli.clip.find import find_clips, is_output, name_output, tell_apart
from foleycli.errors import UsageError


def test_an_output_is_called_after_its_clip():
    assert name_output(Path("a/shot.mp4")) == Path("a/shot_sfx.mp4")
    assert name_output(Path("a/shot.mp4"), Path("b")) == Path("b/shot_sfx.mp4")
    assert is_output(name_output(Path("shot.mp4")))


def test_raw_streams_become_files_that_take_sound():
    assert name_output(Path("shot.h264")) == Path("shot_sfx.mov")
    assert name_output(Path("SHOT.M2V")) == Path("SHOT_sfx.mov")
    assert name_output(Path("shot.ivf")) == Path("shot_sfx.mkv")


def test_clips_of_one_stem_keep_apart():
    clips = [Path("a.mov"), Path("a.h264"), Path("b.mov")]
    outs = tell_apart(clips, [name_output(clip) for clip in clips])
    assert [out.name for out in outs] == ["a_mov_sfx.mov", "a_h264_sfx.mov", "b_sfx.mov"]


@pytest.mark.parametrize("name", ["https://example.invalid/a.mp4", "-", "/dev/stdin"])
def test_what_is_read_is_a_file(name):
    with pytest.raises(UsageError, match="foley reads files"):
        find_clips([Path(name)])
