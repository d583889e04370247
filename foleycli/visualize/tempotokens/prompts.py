"""Tokens of a sound in the text encoder: one prompt a frame, words around them if wanted."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from foleycli.visualize.tempotokens.tokens import NAMES, Tokens

FIRST = 49_408  # id of the first added token: the size of CLIP's vocabulary
PLACES = " ".join(f"<{name}>" for name in NAMES)
MARK = re.compile(r"(<(?:temp|local[1-4]|class)>)")


def frame_prompts(encoder: Any, ids: Tensor, tokens: Tokens) -> Tensor:
    """What the text encoder makes of a prompt with a sound's tokens in it, (24, 77, size).

    The rows of the token embedding are overwritten before positions are added, by a hook; the
    encoder itself stays as it is, and its vocabulary need not grow.

    Args:
        encoder: a ``CLIPTextModel``.
        ids: (1, 77), of which 49408 to 49413 are the tokens; one that is missing is skipped.
        tokens: of one sound.
    """
    rows = tokens.rows()[0].to(encoder.dtype)  # (24, 6, size)
    frames = len(rows)
    known = torch.where(ids >= FIRST, torch.zeros_like(ids), ids)
    places = [
        (n, int(at))
        for n, name in enumerate(tokens.names)
        for at in torch.where(ids[0] == FIRST + NAMES.index(name))[0]
    ]

    def put(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        replaced = output.clone()
        for number, at in places:
            replaced[:, at] = rows[:, number].to(output.device)
        return replaced

    hook = encoder.get_input_embeddings().register_forward_hook(put)
    try:
        return encoder(known.expand(frames, -1)).last_hidden_state
    finally:
        hook.remove()


def text_prompt(encoder: Any, ids: Tensor) -> Tensor:
    """What the encoder makes of words alone, (1, 77, size)."""
    return encoder(ids).last_hidden_state


def prompt_ids(tokenizer: Any, prompt: str | None, audio: bool = True) -> Tensor:
    """Ids (1, 77) of words, then the places of a sound's tokens, padded as the model's files say.

    Args:
        tokenizer: the model's own ``CLIPTokenizer``.
        prompt: words, or None; where it names ``<temp>`` itself, it is taken as it is.
        audio: whether the tokens are in it.
    """
    text = prompt or ""
    if audio and "<temp>" not in text:
        text = f"{text}, {PLACES}" if text else PLACES
    pieces = filter(None, MARK.split(text))
    body: list[int] = []
    for piece in pieces:
        if piece.strip("<>") in NAMES and piece.startswith("<"):
            body.append(FIRST + NAMES.index(piece.strip("<>")))
        elif piece.strip():
            body += tokenizer(piece, add_special_tokens=False)["input_ids"]
    length = tokenizer.model_max_length
    body = body[: length - 2] if not audio else _kept(body, length - 2)
    ids = [tokenizer.bos_token_id, *body, tokenizer.eos_token_id]
    ids += [tokenizer.pad_token_id] * (length - len(ids))
    return torch.tensor([ids])


def _kept(body: Sequence[int], room: int) -> list[int]:
    """Words give way to the tokens of the sound where there is no room for both."""
    over = len(body) - room
    words = [n for n, one in enumerate(body) if one < FIRST]
    gone = set(words[len(words) - over :]) if over > 0 else set()
    return [one for n, one in enumerate(body) if n not in gone]
