"""`gru sample` with a model that knows little: forms of output, seeds, beginnings, and what it refuses."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grucli.__main__ import main
from grucli.errors import ExitStatus
from grucli.generation.decoding import Stream
from grucli.generation.options import GenerationConfig, TextChunk
from grucli.generation.sampler import Sampler
from grucli.model.store import BEST
from grucli.model.weights import ModelCard
from tests.model.factories import add_model, make_weights
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_streams import PipeStream, TtyStream

Output = pytest.CaptureFixture[str]
FIELDS = ["text", "prompt", "seed", "tokens", "bits_per_char", "stopped"]


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU_HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm-256color")
    add_model("talk", modified=1e9, card=ModelCard(conversations=True))
    add_model("emo", modified=2e9)


def run_sample(capsys: Output, *options: str) -> str:
    """Give what is written by three short samples of the newest model, without a fuss."""
    sampling_options = [] if "--beam" in options else ["--temp", "1"]
    assert main(["sample", "-n", "3", "--max-chars", "20", "--min-chars", "5", *sampling_options, *options]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"3 samples, [\d,]+ characters, [\d,]+ characters/s\n" if "-n" not in options else "", err)
    return out


def run_sample_json(capsys: Output, *options: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run_sample(capsys, "--json", *options).splitlines()]


def test_escapes_in_a_text_are_those_of_a_stop(capsys: Output) -> None:
    add_model("typed", modified=3e9, weights=make_weights(ModelCard(conversations=True), text="hello\n\t\\anC:dir"))
    for typed, meant in [(r"he\nllo\t", "he\nllo\t"), (r"a\\n", r"a\n"), (r"C:\dir", r"C:\dir")]:
        generated = run_sample_json(capsys, "--seed", "1", "--prompt", typed)
        assert {each["prompt"] for each in generated} == {meant}
    both = [run_sample_json(capsys, "--seed", "1", "--reply-to", text) for text in (r"he\nllo", "he\nllo")]
    assert both[0] == both[1]


def test_samples_are_lines_with_a_separator_between_them(capsys: Output) -> None:
    texts = [str(each["text"]) for each in run_sample_json(capsys, "--seed", "4")]
    assert run_sample(capsys, "--seed", "4") == "\n--\n".join(texts) + "\n"
    assert all(5 <= len(text) <= 20 for text in texts)


def test_json_is_one_object_a_line(capsys: Output) -> None:
    generated = run_sample_json(capsys, "--seed", "7")
    assert [list(each) for each in generated] == [FIELDS] * 3
    assert [each["seed"] for each in generated] == [7, 8, 9]


def test_off_a_terminal_samples_come_in_the_order_of_their_seeds(capsys: Output) -> None:
    assert main(["sample", "-n", "40", "--seed", "3", "--max-chars", "90", "--temp", "1", "--json"]) == 0
    generated = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["seed"] for each in generated] == list(range(3, 43))
    assert len({each["tokens"] // 32 for each in generated}) > 1  # some were over slices before others


def test_a_seed_gives_its_text_whatever_is_drawn_beside_it(capsys: Output) -> None:
    texts = {each["seed"]: each["text"] for each in run_sample_json(capsys, "--seed", "7")}
    assert run_sample(capsys, "-n", "1", "--seed", "8") == f"{texts[8]}\n"
    assert len(set(texts.values())) == 3


def test_without_a_seed_every_call_has_its_own_and_names_it(capsys: Output) -> None:
    seeds = {run_sample_json(capsys)[0]["seed"] for _ in range(4)}
    assert len(seeds) > 1


def test_a_terminal_gets_the_same_text(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    texts = {each["seed"]: each["text"] for each in run_sample_json(capsys, "emo", "--seed", "7", "--prompt", "hell")}
    out, err = TerminalEmulator(), TtyStream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    words = ["-n", "3", "--max-chars", "20", "--min-chars", "5", "--temp", "1", "--seed", "7", "--prompt", "hell"]
    assert main(["sample", "emo", *words, "--pace", "0"]) == 0
    shown = "\n".join(out.styled_rows).replace("⟨bold⟩hell⟨⟩", "> ")
    first, second, third = (text.rstrip() for text in shown.split("\n--\n"))
    assert first == f"> {texts[7]}".rstrip()
    assert {second, third} == {f"> {texts[8]}".rstrip(), f"> {texts[9]}".rstrip()}
    assert "loading..." in err.getvalue()


def test_who_stops_a_sample_is_told_how_to_have_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(stream: Stream) -> Iterator[TextChunk]:
        yield TextChunk("half a sam", 10, 1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(Sampler, "warm_up", lambda sampler: None)
    monkeypatch.setattr(Stream, "__iter__", stopped)
    screen = TerminalEmulator()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["sample", "emo", "--seed", "7", "--pace", "0"]) == ExitStatus.SIGINT
    assert screen.rows == [
        "half a sam",
        "gru: interrupted",
        "     repeat with --seed 7 to get the complete sample",
    ]


def test_a_beginning_is_continued(capsys: Output, tmp_path: Path) -> None:
    file = tmp_path / "beginning.txt"
    file.write_text("hello \n", "utf-8-sig")
    typed = run_sample(capsys, "--seed", "1", "--prompt", "hello ")
    assert run_sample(capsys, "--seed", "1", "--prompt-file", str(file)) == typed
    assert all(text.startswith("hello ") for text in typed.split("\n--\n"))
    generated = run_sample_json(capsys, "--seed", "1", "--prompt", "hello ")
    assert {each["prompt"] for each in generated} == {"hello "}
    assert typed == "\n--\n".join(f"hello {each['text']}" for each in generated) + "\n"
    assert [each["text"] for each in generated] != [each["text"] for each in run_sample_json(capsys, "--seed", "1")]


def test_a_reply_is_to_what_was_said(capsys: Output) -> None:
    one = run_sample(capsys, "talk", "--seed", "1", "--reply-to", "hello")
    assert one != run_sample(capsys, "talk", "--seed", "1", "--reply-to", "there")
    begun = run_sample(capsys, "talk", "--seed", "1", "--reply-to", "hello", "--prompt", "there")
    assert all(text.startswith("there") for text in begun.split("\n--\n"))


def test_a_dialogue_is_its_turns_in_order(capsys: Output) -> None:
    turns = ["--reply-to", "hello", "--reply-to", "there", "--reply-to", "hell"]
    generated = run_sample_json(capsys, "talk", "--seed", "1", *turns)
    sampler = Sampler(make_weights(ModelCard(conversations=True)), 1)
    state = sampler.initial_state()
    for turn in ("hello", "there", "hell"):
        state = sampler.end_turn(sampler.read(state, turn))
    expected = sampler.generate(state, "", 3, GenerationConfig(temp=1, max_chars=20, min_chars=5, seed=1))
    assert {each["seed"]: each["text"] for each in generated} == {sample.seed: sample.text for sample in expected}
    assert generated != run_sample_json(capsys, "talk", "--seed", "1", *turns[2:])


def test_a_beginning_from_another_program(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = run_sample(capsys, "--seed", "1", "--prompt", "hello ")

    class Stdin:
        buffer = io.BytesIO("hello \r\n".encode("utf-8-sig"))

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert run_sample(capsys, "--seed", "1", "--prompt-file", "-") == typed


def test_every_way_to_draw_can_be_asked_for(capsys: Output, tmp_path: Path) -> None:
    blocked = tmp_path / "words.txt"
    blocked.write_text("# none of these\nh\nel*\n")
    plain = {each["seed"]: each["text"] for each in run_sample_json(capsys, "--seed", "3", "--min-chars", "12")}
    for words, config in (
        (["--stop", "e", "--stop", "lo"], GenerationConfig(stop=("e", "lo"))),
        (["--block", str(blocked)], GenerationConfig(block=("h", "el*"))),
        (["--mirostat", "1.5"], GenerationConfig(mirostat=1.5)),
        (["--repeat-penalty", "2"], GenerationConfig(repeat_penalty=2)),
        (["--beam", "3"], GenerationConfig(beam=3)),
    ):
        seeded = [] if config.beam else ["--seed", "3"]
        generated = run_sample_json(capsys, *seeded, "--min-chars", "12", *words)
        sampler = Sampler(make_weights(), 1)
        asked = replace(config, temp=1, max_chars=20, min_chars=12, seed=3)
        expected = list(sampler.generate(sampler.initial_state(), "", 3, asked))
        assert sorted(str(each["text"]) for each in generated) == sorted(sample.text for sample in expected)
        assert {each["seed"]: each["text"] for each in generated} != plain
    replies = ["talk", "--reply-to", "hello", "--seed", "3"]
    assert run_sample_json(capsys, *replies, "--relevance", "0.8") != run_sample_json(capsys, *replies)


def test_a_stop_is_typed_as_in_a_chat(capsys: Output) -> None:
    add_model("lines", modified=3e9, weights=make_weights(text="a\nb\\n"))
    words = ["--seed", "3", "--max-chars", "60", "--min-chars"]
    for typed, stop in ((r"\n", "\n"), (r"\\", "\\")):
        free = [str(each["text"]) for each in run_sample_json(capsys, *words, "40")]
        assert all(stop in text for text in free)
        cut = [str(each["text"]) for each in run_sample_json(capsys, *words, "0", "--stop", typed)]
        assert not any(stop in text for text in cut)
        stopped = [str(each["text"]) for each in run_sample_json(capsys, *words, "40", "--stop", typed)]
        assert all(len(text) >= 40 and stop not in text[40:] for text in stopped)


def test_settings_that_stand_somewhere_do_not_keep_a_beam_from_searching(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run_sample_json(capsys, "--beam", "4")
    monkeypatch.setenv("GRU_TEMP", "1.3")
    monkeypatch.setenv("GRU_MIROSTAT", "3")
    assert [each["text"] for each in run_sample_json(capsys, "--beam", "4")] == [each["text"] for each in result]
    monkeypatch.setenv("GRU_BEAM", "4")
    assert main(["sample", "--temp", "1"]) == ExitStatus.USAGE
    assert "--temp has no effect with --beam" in capsys.readouterr().err
    assert main(["sample", "--temp", "1", "--beam", "0"]) == 0


def test_a_beam_on_a_terminal_shows_each_text_once(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    generated = [str(each["text"]) for each in run_sample_json(capsys, "--beam", "4")]
    out = TerminalEmulator()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["sample", "-n", "3", "--max-chars", "20", "--min-chars", "5", "--beam", "4", "--pace", "0"]) == 0
    assert out.rows == "\n--\n".join(generated).split("\n")


def test_whoever_asks_for_quiet_is_not_told_how_many(capsys: Output) -> None:
    assert main(["sample", "-q", "-n", "3", "--max-chars", "5"]) == 0
    assert capsys.readouterr().err == ""


def test_symbols_that_no_model_knows_are_read_all_the_same(capsys: Output) -> None:
    assert main(["sample", "--prompt", "a\udcff\x1b[2J漢", "--max-chars", "5"]) == 0
    out, err = capsys.readouterr()
    assert "\udcff" not in out
    assert err.startswith("gru: 7 symbols are not in the model's vocabulary")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temp", "-1"], "--temp is -1"),
        (["--top-p", "0"], "--top-p is 0"),
        (["--min-chars", "9", "--max-chars", "8"], "--min-chars is 9"),
        (["-n", "0"], "gru: -n: "),
        (["--pace", "-1"], "--pace is -1"),
        (["--pace", "nan"], "--pace is nan"),
        (["--pace", "inf"], "--pace is inf"),
        (["--top-k", "99999999999999"], "from 0 (off) to 2147483647"),
        (["--max-chars", "99999999999999"], "from 1 to 2147483647"),
        (["--seed", "9223372036854775808"], "from 0 to 9223372036854775807"),
        (["--repeat-penalty", "1e308"], "up to 100"),
        (["--reply-to", "hello"], "conversations"),
        (["--mirostat", "-1"], "--mirostat is -1"),
        (["--relevance", "1"], "--relevance takes a number from 0 (off) to 0.99"),
        (["--beam", "2", "-n", "3"], "--beam 2 cannot return 3 samples"),
        (["--beam", "5", "--mirostat", "3"], "gru: --mirostat has no effect with --beam\n"),
        (["--beam", "5", "--seed", "0", "--top-k", "4"], "gru: --top-k has"),
        (["--beam", "5", "--temp", "1", "--no-copies"], "gru: --temp and --no-copies have no effect with --beam\n"),
        (["--stop", ""], "--stop is a text of 0 characters"),
        (["--block", "no such file"], "no such file"),
        (["--prompt", "a", "--prompt-file", "b"], "--prompt-file"),
        (["--prompt-file", "no such file"], "no such file"),
        (["emu"], "'emu'"),
    ],
)
def test_what_cannot_be_meant_is_two_lines_and_status_2(capsys: Output, words: list[str], said: str) -> None:
    assert main(["sample", *words]) == ExitStatus.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 2


def test_a_beginning_that_is_no_text(capsys: Output, tmp_path: Path) -> None:
    file = tmp_path / "beginning.txt"
    file.write_bytes(b"\x81\x8d")
    assert main(["sample", "--prompt-file", str(file)]) == ExitStatus.USAGE
    assert "is not UTF-8 text" in capsys.readouterr().err


def test_a_damaged_model(capsys: Output) -> None:
    (add_model("emo", modified=2e9) / BEST).write_bytes(b"\0" * 100)
    assert main(["sample", "emo"]) == ExitStatus.FAILED
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_reader_that_left_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(PipeStream):
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            raise OSError

    err = PipeStream()
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", err)
    for n in ("1", "100"):
        assert main(["sample", "-n", n]) == ExitStatus.OK  # however much was written before it left
    assert err.getvalue() == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="closes streams as a POSIX shell does")
@pytest.mark.parametrize(
    ("closing", "words", "status"),
    [(">&-", "path", 1), (">&-", "remove emo -y", 0), ("2>&-", "list", 0), (">&- 2>&-", "no", 2)],
)
def test_closed_streams_matter_to_data_alone(closing: str, words: str, status: int) -> None:
    done = subprocess.run(["sh", "-c", f"{sys.executable} -m grucli models {words} {closing}"], check=False)
    assert done.returncode == status
