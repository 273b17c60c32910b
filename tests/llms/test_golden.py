"""Each ChatGLM generation gives the logits of the official code, in every way to run it."""

import threading

import pytest

pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

from golden import (  # noqa: E402
    CASES,
    CLOSE,
    CLOSE_IN_HALF,
    CONVERTED,
    IN_HALF,
    LAST_BITS,
    compute_logits,
    decode_step_by_step,
    generate_greedy,
    is_glm,
    load_golden,
    load_official,
    logit_difference,
    padding_mask,
)
from transformers import TextIteratorStreamer  # noqa: E402


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return load_official(request.param), load_golden(request.param)


def input_ids(golden, name):
    return golden[f"in.{name}.input_ids" if f"in.{name}.input_ids" in golden else f"in.{name}"]


def test_logits(case):
    model, golden = case
    for name in ("single", "train_like", "mid_mask"):
        if f"out.{name}" in golden:
            logits = compute_logits(model, input_ids(golden, name))
            assert logit_difference(logits, golden[f"out.{name}"]) < CLOSE


def test_without_a_mask(case):
    model, golden = case
    with torch.no_grad():
        logits = model(golden["in.single.input_ids"]).logits
    assert logit_difference(logits, golden["out.single_ids_only"]) < CLOSE


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_models_differ_only_in_the_last_bits(name):
    model, golden = load_official(name), load_golden(name)
    assert is_glm(model)
    logits = compute_logits(model, golden["in.single.input_ids"])
    assert logit_difference(logits, golden["out.single"]) < LAST_BITS


def test_a_padded_batch(case):
    model, golden = case
    ids = golden["in.batch.input_ids"]
    mask = padding_mask(model, ids).bool()
    assert not mask.all()
    assert logit_difference(compute_logits(model, ids)[mask], golden["out.batch"][mask]) < CLOSE


def test_a_long_prompt(case):
    model, golden = case
    assert (
        logit_difference(compute_logits(model, golden["in.long"])[:, -16:], golden["out.long"])
        < CLOSE
    )


@pytest.mark.parametrize("name", ["single", "batch"])
def test_token_by_token_with_a_cache(case, name):
    model, golden = case
    ids = golden[f"in.{name}.input_ids"]
    logits = decode_step_by_step(model, ids, golden["in.forced"][: len(ids)])
    assert logit_difference(logits, golden[f"out.inc_{name}"]) < CLOSE


@pytest.mark.parametrize("name", ["single", "batch"])
def test_greedy(case, name):
    model, golden = case
    answer = generate_greedy(model, golden[f"in.{name}.input_ids"])
    assert torch.equal(answer, golden[f"out.gen_{name}"])


def test_beams(case):
    model, golden = case
    answer = generate_greedy(model, golden["in.single.input_ids"], num_beams=3, max_new_tokens=12)
    assert torch.equal(answer, golden["out.gen_beam"])


class IdTokenizer:
    """A tokenizer that writes ids as text."""

    def decode(self, ids, **_):
        return "".join(f"{int(number)} " for number in ids)


def test_streaming(case):
    model, golden = case
    ids = golden["in.single.input_ids"]
    streamer = TextIteratorStreamer(IdTokenizer(), timeout=60)
    thread = threading.Thread(
        target=generate_greedy, args=(model, ids), kwargs={"streamer": streamer}
    )
    thread.start()
    streamed = [int(number) for number in "".join(streamer).split()]
    thread.join()
    expected = golden["out.gen_stream"][0].tolist()  # the official one may keep its last token
    assert streamed[: len(expected)] == expected
    assert len(streamed) - len(expected) in (0, 1)


@pytest.mark.parametrize("case", IN_HALF)
def test_in_half_precision(case):
    model, golden = load_official(case, dtype="float16"), load_golden(case)
    for name in ("single", "long"):
        expected = golden[f"out.half_{name}"]
        logits = compute_logits(model, input_ids(golden, name))[:, -expected.shape[1] :]
        assert logits.dtype == torch.float16
        assert logit_difference(logits, expected) < CLOSE_IN_HALF
