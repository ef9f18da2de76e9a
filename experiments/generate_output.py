"""What a generation leaves behind: `result.json`, a table of tokens, and the words on standard output."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from experiments.generate_display import Pair, ending, printable, quoted, side_by_side
from experiments.generate_request import EXPERIMENT, GenerateRequest
from experiments.runs import RESULT_FILE
from experiments.tables import write_table
from experiments.words import engineering, output_console, plain_table

if TYPE_CHECKING:
    from experiments.continuation import Continuation
    from experiments.decoding import Decoder
    from experiments.generate_cost import Phases

_PARTS_SHOWN = 4


def write_output(
    request: GenerateRequest,
    pairs: Sequence[Pair],
    heading: str,
    phases: "Phases",
    decoders: Mapping[str, "Decoder"],
) -> Path:
    """Write the table and last `result.json`, whose path is returned; print texts and summary."""
    result = summarise(request, pairs, phases, decoders)
    write_table(request.folder.path, "tokens", [row for index, pair in enumerate(pairs) for row in _rows(index, pair)])
    path = request.folder.write_json(RESULT_FILE, result)
    console = output_console()
    print_texts(console, pairs, heading)
    print_summary(console, pairs, result)
    return path


def summarise(
    request: GenerateRequest, pairs: Sequence[Pair], phases: "Phases", decoders: Mapping[str, "Decoder"]
) -> dict[str, Any]:
    """The content of `result.json`: SI units; `simulated` is the optical machine, `wall` is this computer."""
    simulated = {"prefill": phases.prefill.summary(), "decode": phases.decode.summary()}
    texts = [text for pair in pairs for text in (pair.digital, pair.optical)]
    return {
        "experiment": EXPERIMENT,
        "config": request.options,
        "seed": request.config.seed,
        "model": {**request.folder.document["model"], "parameters": request.checkpoint.config.parameters},
        "finished": all(text.ended != "interrupted" for text in texts),
        "prompts": [
            {
                "text": pair.prompt,
                "token_ids": list(ids),
                "digital": _text(pair.digital),
                "optical": _text(pair.optical),
                "first_difference": pair.first_difference,
            }
            for pair, ids in zip(pairs, request.prompts, strict=True)
        ],
        "energy_j_per_token": _by_phase(simulated, "energy_j_per_token"),
        "energy_j_per_token_shared": _by_phase(simulated, "energy_j_per_token_shared"),
        "tokens_per_s_simulated": _by_phase(simulated, "tokens_per_s"),
        "tokens_per_s_simulated_shared": _by_phase(simulated, "tokens_per_s_shared"),
        "simulated": simulated,
        "wall": {name: _wall(decoder, simulated["prefill"]["tokens"]) for name, decoder in decoders.items()},
    }


def print_texts(console: Console, pairs: Sequence[Pair], heading: str) -> None:
    """Both texts of every prompt: in two columns on a terminal, elsewhere one after the other, lines unbroken."""
    for pair in pairs:
        if console.is_terminal:
            console.print(side_by_side(pair, heading))
            continue
        for title, text in (
            ("prompt", printable(pair.prompt)),
            ("digital", printable(pair.digital.text) + ending(pair.digital)),
            (heading, printable(pair.optical.text) + ending(pair.optical)),
        ):
            console.out(f"--- {title}\n{text}", highlight=False)
        console.out()


def print_summary(console: Console, pairs: Sequence[Pair], result: Mapping[str, Any]) -> None:
    """Print where the texts part, what the machine takes, and how fast this simulation was."""
    for number, pair in enumerate(pairs, start=1):
        console.print((f"Prompt {number}: " if len(pairs) > 1 else "") + _parting(pair))
    console.print()
    console.print(_machine_table(result["simulated"]))
    console.print()
    for sentence in (*_idle(result["simulated"]["decode"]), _speed(result["wall"])):
        console.print(sentence)


def _parting(pair: Pair) -> str:
    place = pair.first_difference
    if place is None:
        tokens = min(len(pair.digital.token_ids), len(pair.optical.token_ids))
        return f"The two texts are the same ({tokens} token{'s' * (tokens != 1)})."
    digital, optical = (
        f"{quoted(text.token(place))} ({100 * text.probabilities[place]:.0f} %)"
        for text in (pair.digital, pair.optical)
    )
    return f"They part at new token {place + 1}: digital {digital}, optical {optical}."


def _machine_table(simulated: Mapping[str, Mapping[str, Any]]) -> Table:
    prefill, decode = simulated["prefill"], simulated["decode"]
    title = "the optical machine, simulated"
    table = plain_table(title, "prefill", "decode", right=("prefill", "decode"), wrap=(title,))
    one = decode["tokens"] == 1
    table.add_row("reads", f"{prefill['tokens']} tokens", f"{decode['tokens']} token{'s' * (not one)} a step")
    alone, shared = "this text alone" if one else "these texts alone", "pauses filled by other texts"
    rows = (
        (f"tokens per second, {alone}", "tokens_per_s", ""),
        (f"energy per token, {alone}", "energy_j_per_token", "J"),
        (f"tokens per second, {shared}", "tokens_per_s_shared", ""),
        (f"energy per token, {shared}", "energy_j_per_token_shared", "J"),
    )
    for label, key, unit in rows:
        table.add_row(label, *(engineering(phase[key], unit).rstrip() for phase in (prefill, decode)))
    busy = (f"{100 * phase['panel_busy_share']:.2g} %" for phase in (prefill, decode))
    table.add_row("share of the time in which a panel is in use", *busy)
    return table


def _idle(decode: Mapping[str, Any]) -> list[str]:
    """Why decode is dear, and where its energy goes."""
    passes = decode["passes_per_engine"] / decode["tokens"]
    parts = sorted(decode["energy_breakdown_j_per_token"].items(), key=lambda item: -item[1])
    whole_j = decode["energy_j_per_token"] or 1.0
    shown = ", ".join(f"{part.replace('_', ' ')} {100 * j / whole_j:.0f} %" for part, j in parts[:_PARTS_SHOWN])
    return [
        f"Decode leaves the panels idle: each of the {decode['engines']} resident panels takes {passes:.3g} passes per "
        f"token and then waits, since {decode['products_in_turn']} products of every token follow one another, while "
        f"lasers, receivers and hosts stay on ({engineering(decode['power_w'], 'W')} at the wall).",
        f"Decode energy: {shown}. Left out: time of digital work between the products, latency of converters, links, "
        "and memory traffic of keys and values; so tokens per second are an upper bound, and the energy of a text "
        "alone is a lower one.",
    ]


def _speed(wall: Mapping[str, Mapping[str, Any]]) -> str:
    speeds = ", ".join(
        f"{name} {'-' if times['tokens_per_s'] is None else format(times['tokens_per_s'], '.3g')}"
        for name, times in wall.items()
    )
    compile_s = sum(times["compile_s"] for times in wall.values())
    return (
        "This simulation on this computer (wall time, not the machine): tokens per second in decode "
        f"{speeds}; compiling {compile_s:.0f} s."
    )


def _by_phase(simulated: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, Any]:
    return {name: phase[key] for name, phase in simulated.items()}


def _text(text: "Continuation") -> dict[str, Any]:
    return {
        "text": text.text,
        "token_ids": text.token_ids,
        "probabilities": text.probabilities,
        "ended": text.ended,
    }


def _wall(decoder: "Decoder", prompt_tokens: int) -> dict[str, Any]:
    """Times of this computer [s]; rates in tokens of all texts per second, None where nothing was computed."""
    decode_s, steps = sum(decoder.decode_s), len(decoder.decode_s)
    return {
        "compile_s": decoder.compile_s,
        "prefill_s": decoder.prefill_s,
        "decode_s": decode_s,
        "prefill_tokens_per_s": prompt_tokens / decoder.prefill_s if decoder.prefill_s else None,
        "tokens_per_s": steps * decoder.texts / decode_s if steps else None,
    }


def _rows(index: int, pair: Pair) -> list[dict[str, Any]]:
    """One row per place: the token of either text, empty where it had ended."""
    rows = []
    for place in range(max(len(pair.digital.token_ids), len(pair.optical.token_ids))):
        row: dict[str, Any] = {"prompt": index, "place": place}
        for name, text in (("digital", pair.digital), ("optical", pair.optical)):
            there = place < len(text.token_ids)
            row[f"{name}_token_id"] = text.token_ids[place] if there else None
            row[f"{name}_token"] = text.token(place) if there else None
            row[f"{name}_probability"] = text.probabilities[place] if there else None
        rows.append(row)
    return rows
