"""The Python API: what importing it costs, every verb, and values that have the JSON that the commands print."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import grucli
from grucli.__main__ import main
from grucli.chat import open_chat
from grucli.errors import EmptyInputError, GruError, UsageError
from grucli.generation.options import GenerationConfig, Sample
from grucli.json_record import JsonRecord, to_json
from grucli.model.store import LAST, model_names
from grucli.model.weights import ModelCard
from grucli.reddit.fetch import retry
from grucli.reddit.fetch.events import FetchEvent, PageFetched
from grucli.training.events import CheckpointSaved, TrainEvent, TrainStarted
from grucli.training.signals import StopFlag
from tests.api import typed_use
from tests.model.factories import add_model
from tests.reddit.comment_factory import make_comments
from tests.reddit.fetch.fake_arctic_shift import FakeArcticShift, serve_arctic_shift
from tests.training.small_runs import small_options, write_small_corpus

Output = pytest.CaptureFixture[str]
SHORT = GenerationConfig(temp=1, max_chars=20, min_chars=5, seed=7)
MAX_IMPORT_MICROSECONDS = 50_000


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.csv"
    path.write_text("id,author,body\n" + "".join(f"c{i},ann{i % 3},{'hello' * (1 + i % 3)} {i}\n" for i in range(60)))
    return path


@pytest.fixture(autouse=True)
def _models(home: Path) -> None:
    add_model("talk", modified=1e9, card=ModelCard(conversations=True))
    add_model("emo", modified=1.5e9)


def printed_json(capsys: Output, *words: str) -> object:
    """Give the documents that a command printed: one, or a list of those on its lines."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return documents[0] if len(documents) == 1 else documents


def as_document(value: object) -> object:
    """Give a value as it comes out of a JSON file."""
    return json.loads(json.dumps(to_json(value), allow_nan=False))


def run_python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)


def test_importing_it_costs_next_to_nothing() -> None:
    heavy = "('numpy', 'numba', 'typer', 'rich', 'msgspec')"
    assert run_python(f"import sys, grucli; print([m for m in {heavy} if m in sys.modules])").stdout == "[]\n"
    costs = []
    for _ in range(3):
        last_line = run_python("import grucli", "-X", "importtime").stderr.splitlines()[-1]
        assert last_line.split("|")[-1].strip() == "grucli"
        costs.append(int(last_line.split("|")[1]))
    assert min(costs) < MAX_IMPORT_MICROSECONDS


def test_it_loads_neither_typer_nor_rich() -> None:
    code = (
        "import sys, grucli, grucli.api.demo, grucli.api.store; [getattr(grucli, name) for name in grucli.__all__]\n"
        "print([m for m in ('typer', 'rich', 'prompt_toolkit') if m in sys.modules])"
    )
    assert run_python(code).stdout == "[]\n"


def test_every_name_is_there() -> None:
    assert set(grucli.__all__) <= set(dir(grucli))
    assert all(callable(getattr(grucli, name)) for name in grucli.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = grucli.trian  # type: ignore[attr-defined]


def test_every_name_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in grucli.__all__ if f"`{name}" not in text] == []


def test_every_verb_has_a_docstring_with_its_errors() -> None:
    for name in grucli.__all__:
        if name[0].islower():
            verb = open_chat if name == "chat" else getattr(grucli, name)
            assert "Raises:" in str(verb.__doc__), name


def test_the_package_of_the_verb_chat_stays_a_package() -> None:
    code = (
        "import grucli.chat.events, grucli; assert callable(grucli.chat)\n"
        "import grucli.chat as package; assert package.events is sys.modules['grucli.chat.events']"
    )
    run_python(f"import sys; {code}")
    assert isinstance(sys.modules["grucli.chat"], ModuleType)


def test_a_typed_program() -> None:
    first, second, scored, gated, streamed, generated = typed_use.describe("emo")
    assert streamed == generated == first != second
    assert (scored, gated) == ("h", "h")


def test_samples_have_the_text_and_the_json_of_the_command(capsys: Output) -> None:
    words = ["sample", "emo", "-n", "3", "--temp", "1", "--max-chars", "20", "--min-chars", "5", "--seed", "7"]
    samples = list(grucli.generate("he", 3, SHORT, model="emo"))
    assert [sample.seed for sample in samples] == [7, 8, 9]
    assert printed_json(capsys, *words, "--prompt", "he") == as_document(samples)
    replies = list(grucli.load("talk").generate(n=3, config=SHORT, reply_to=["hello", "there"]))
    turns = ["--reply-to", "hello", "--reply-to", "there"]
    assert printed_json(capsys, "sample", "talk", *words[2:], *turns) == as_document(replies)


def test_a_watched_sample_is_a_stream_and_the_others_follow() -> None:
    model = grucli.load("emo")
    expected = {sample.seed: sample.text for sample in model.generate("he", 3, SHORT)}
    batch = model.sample("he", 3, SHORT, live=True)
    assert batch.first is not None
    assert "".join(chunk.text for chunk in batch.first) == expected[7]
    assert {sample.seed: sample.text for sample in batch.rest} == {8: expected[8], 9: expected[9]}
    assert batch.notices == ()
    assert "symbol" in model.sample("漢", 1, SHORT).notices[0]
    assert model.sample("he", 1, GenerationConfig(beam=2, max_chars=20), live=True).first is None


def test_turns_need_a_model_of_conversations() -> None:
    with pytest.raises(UsageError, match="conversations"):
        grucli.load("emo").stream(reply_to=["hello"])


def test_copies_need_an_index() -> None:
    with pytest.raises(UsageError, match="no copy index"):
        grucli.generate("he", model="emo", copies="mark")


def test_what_a_model_makes_of_a_text() -> None:
    model = grucli.load("emo")
    scores, gates = model.score("hello there", prompt="oh, "), model.gates("hello there")
    assert "".join(score.text for score in scores) == "".join(gate.text for gate in gates) == "hello there"
    assert all(score.bits > 0 for score in scores)
    assert all(0 < value < 1 for gate in gates for means in gate.means.values() for value in means)
    assert as_document(scores[0]) == {"text": "h", "bits": scores[0].bits}
    assert model.score("") == []
    assert repr(model) == "<Model 'emo': gru, 2 units>"


def test_evaluation_has_the_json_of_the_command(capsys: Output, corpus: Path) -> None:
    corpus.write_bytes(corpus.read_bytes() + b"c61,ann,hell\xff\n")
    stages: list[str] = []
    result = grucli.evaluate("emo", corpus, on_progress=lambda stage, done, total: stages.append(stage))
    assert printed_json(capsys, "eval", "emo", str(corpus)) == as_document(result)
    assert "skipped" in result.notices[0]
    assert stages[-1] == "scoring"
    half = grucli.evaluate("emo", corpus, split="val", val=0.5)
    assert half.characters < result.characters
    (corpus.with_name("one.csv")).write_text("body\nhello\n")
    with pytest.raises(EmptyInputError, match="no validation split"):
        grucli.evaluate("emo", corpus.with_name("one.csv"), split="val")


def test_cleaning_has_the_json_of_the_command(capsys: Output, corpus: Path, tmp_path: Path) -> None:
    rules = grucli.RuleConfig(authors=frozenset({"ann1", "ann2"}))
    steps: list[tuple[str, int, int | None]] = []
    report = grucli.clean(corpus, tmp_path / "out.csv", rules=rules, on_progress=lambda *step: steps.append(step))
    assert (report.read, report.kept, report.dropped["author"]) == (60, 40, 20)
    assert steps[-1][1:] == (corpus.stat().st_size, corpus.stat().st_size)
    words = ["clean", str(corpus), "-o", str(tmp_path / "cli.csv"), "--author", "ann1", "--author", "ann2"]
    printed, document = printed_json(capsys, *words), as_document(report)
    assert isinstance(printed, dict)
    assert isinstance(document, dict)
    assert printed | {"seconds": 0} == document | {"seconds": 0}
    assert list(printed) == list(document)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "cli.csv").read_bytes()
    dry_run = grucli.clean([corpus], None, dry_run=True)
    assert dry_run.kept == 60
    with pytest.raises(UsageError, match="exists"):
        grucli.clean(corpus, tmp_path / "out.csv")


def test_an_explanation_has_the_json_of_the_command(capsys: Output, corpus: Path) -> None:
    explanation = grucli.explain("c4", corpus)
    assert explanation.kept
    assert printed_json(capsys, "clean", str(corpus), "--explain", "c4") == as_document(explanation)


def test_a_purge_has_the_json_of_the_command(capsys: Output, corpus: Path) -> None:
    grucli.clean(corpus, hashed := corpus.with_name("hashed.csv"))
    words = ["purge", str(hashed), "--author", "ann1", "--author", "zoe"]
    would_be = grucli.purge(hashed, authors=["ann1", "zoe"], dry_run=True)
    assert printed_json(capsys, *words, "--dry-run") == as_document(would_be)
    assert (would_be.authors_not_found, would_be.result.kept) == (("zoe",), 40)
    done = grucli.purge(hashed, authors=["ann1", "zoe"])
    assert as_document(done) == as_document(would_be)
    assert not done.fetched
    assert grucli.purge(hashed, authors=["ann1"]).models == ()
    with pytest.raises(UsageError):
        grucli.purge(hashed)


def test_a_fetch_has_the_json_of_the_command(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    output, events = str(tmp_path / "a.jsonl"), list[FetchEvent]()
    with serve_arctic_shift(FakeArcticShift(make_comments(150))) as server:
        options = grucli.FetchOptions(["r/askscience"], output, base_url=server.url, rate=1000)
        finished = grucli.fetch(options, on_event=events.append)
        assert events[-1] is finished
        assert any(isinstance(event, PageFetched) for event in events)
        words = ["fetch", "r/askscience", "-o", output, "--base-url", server.url, "--rate", "1000", "--force"]
        assert printed_json(capsys, *words) == as_document(finished.summary)
        with pytest.raises(UsageError, match="exists"):
            grucli.fetch(options)


def test_training_gives_events_and_a_summary(capsys: Output, tmp_path: Path) -> None:
    events: list[TrainEvent] = []
    corpus = write_small_corpus(tmp_path / "corpus.csv")
    finished = grucli.train(small_options(corpus, seed=3), on_event=events.append)
    assert (finished.reason, finished.summary.steps) == ("limit", 30)
    assert events[-1] is finished
    assert any(isinstance(event, TrainStarted) for event in events)
    assert printed_json(capsys, "models", "show", "small") == as_document(finished.summary)
    assert grucli.load().name == "small"
    with pytest.raises(UsageError, match="exists"):
        grucli.train(small_options(corpus))


@pytest.mark.slow
def test_training_is_saved_when_a_callback_fails_or_a_flag_is_set(tmp_path: Path, home: Path) -> None:
    corpus, stop = write_small_corpus(tmp_path / "corpus.csv"), StopFlag()

    def fail(event: TrainEvent) -> None:
        if isinstance(event, CheckpointSaved):
            raise BrokenPipeError

    def interrupt(event: TrainEvent) -> None:
        if isinstance(event, CheckpointSaved):
            stop.reason = "interrupted"

    options = {"steps": None, "epochs": 2, "eval_every": 5}
    with pytest.raises(BrokenPipeError):
        grucli.train(small_options(corpus, name="a", **options), on_event=fail)
    assert (home / "models" / "a" / LAST).exists()
    finished = grucli.train(small_options(corpus, name="b", **options), on_event=interrupt, stop=stop)
    assert finished.reason == "interrupted"
    whole = grucli.train(small_options(corpus, name="c", **options))
    resumed = [grucli.train(small_options(corpus, name=name, resume=True, **options)) for name in ("a", "b")]
    assert {run.summary.parameters_sha256 for run in resumed} == {whole.summary.parameters_sha256}


def test_a_chat_is_a_session() -> None:
    config = GenerationConfig(seed=3, max_chars=20)
    with grucli.chat("talk", config, threads=1) as session:
        replies = [session.reply("hello"), session.reply("there")]
        assert [turn.reply for turn in session.turns] == replies
    with grucli.chat("talk", config) as again:
        assert again.reply("hello") == replies[0]
    with pytest.raises(UsageError, match="session"):
        grucli.chat("talk", config, resume_with={})


def test_models_have_the_json_of_the_commands(capsys: Output, home: Path) -> None:
    from grucli.api import store

    assert printed_json(capsys, "models") == as_document(store.list_models())
    assert printed_json(capsys, "models", "path", "emo") == as_document(store.find_weights("emo"))
    renamed = store.rename_model("emo", "feelings")
    assert as_document(renamed) == {"model": "feelings", "path": str(home / "models" / "feelings"), "was": "emo"}
    assert store.describe_model("feelings").entry.name == "feelings"
    store.remove_model("feelings")
    assert model_names() == ["talk"]
    with pytest.raises(UsageError):
        store.find_directories(["talk", "feelings"])


def test_a_corrupt_model_is_described_and_then_refused(home: Path) -> None:
    from grucli.api import store

    (home / "models" / "emo" / "best.safetensors").write_bytes(b"torn")
    details = store.describe_model("emo")
    assert details.summary is None
    with pytest.raises(GruError, match="truncated"):
        details.check()


def test_values_are_json() -> None:
    assert issubclass(Sample, JsonRecord)
    sample = Sample("a", "", 1, 2, float("nan"), "end")
    assert sample.to_json() == {
        "text": "a",
        "prompt": "",
        "seed": 1,
        "tokens": 2,
        "bits_per_char": None,
        "stopped": "end",
    }
    assert to_json({Path("a"): [Path("b"), (1.5, None)]}) == {"a": ["b", [1.5, None]]}
