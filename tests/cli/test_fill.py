"""``foley fill`` says what it cannot use before it looks at anything."""

import pytest

from foleycli.errors import MediaError
from foleycli.timeline.fill.heard import open_sound
from tests.films import strikes, write_film


def test_what_cannot_be_used_is_said_before_anything_is_looked_at(tmp_path, foley) -> None:
    write_film(tmp_path / "film.mp4", strikes([0.5], 1), 25)
    film = tmp_path / "film.mp4"
    assert foley("fill", film)[0] == 2
    assert foley("fill", film, "--effects", "1")[0] == 2  # it has none
    assert foley("fill", film, "--effects", "none.wav")[0] == 3
    assert foley("fill", film, "--effects", "1", "-o", "list.doc")[0] == 2
    with pytest.raises(MediaError, match="holds no sound"):
        open_sound(film)
