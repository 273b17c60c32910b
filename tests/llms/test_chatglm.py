"""ChatGLM-6B gives the logits of the official code, and the comparison detects mistakes."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from golden import load_golden, load_official, logit_difference  # noqa: E402
from transformers import StaticCache  # noqa: E402

from llms.chatglm import model as model_module  # noqa: E402
from llms.chatglm import positions  # noqa: E402
from llms.finetuning.trainer import enable_gradient_checkpointing  # noqa: E402

CLOSE = 1e-4


@pytest.fixture(scope="module", params=["v1a", "v1prefix"])
def case(request):
    return load_official(request.param), load_golden(request.param)


@pytest.fixture
def model():
    return load_official("v1a")


def golden_error(model, **inputs):
    golden = load_golden("v1a")
    with torch.no_grad():
        logits = model(golden["in.single.input_ids"], **inputs).logits
    return logit_difference(logits, golden["out.single"])


class TestComparisonDetectsMistakes:
    def test_correct_model_passes(self, model):
        assert golden_error(model) < CLOSE

    def test_causal_mask(self, model):
        length = load_golden("v1a")["in.single.input_ids"].shape[1]
        causal = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
        assert golden_error(model, attention_mask=causal) > 1

    @pytest.mark.parametrize("mistake", ["position keeps counting", "no block position"])
    def test_positions(self, model, mistake):
        ids = load_golden("v1a")["in.train_like"]
        planes = positions.compute_positions(ids, torch.ones_like(ids), model.config)
        index = torch.arange(ids.shape[1])[None]
        wrong = {
            "position keeps counting": torch.stack((index + planes[1], planes[1])),
            "no block position": torch.stack((planes[0] - planes[1], planes[1].clamp(max=1) * 0)),
        }[mistake]
        mask = model_module.build_attention_mask(
            model.config, torch.empty(*ids.shape, 1), None, None, planes
        )
        with torch.no_grad():
            logits = model(ids, position_ids=wrong, attention_mask=mask).logits
        assert logit_difference(logits, load_golden("v1a")["out.train_like"]) > 100 * CLOSE

    def test_residual_weight_from_num_layers(self, model):
        for layer in model.transformer.layers:
            layer.residual_weight = (2 * model.config.num_layers) ** 0.5
        assert golden_error(model) > 1

    def test_unrounded_frequencies(self, model, monkeypatch):
        def exact(planes, head_dim, dtype):
            half = head_dim // 2
            frequency = 1 / 10000 ** (torch.arange(0, half, 2) / half)
            both = torch.stack((planes[0] - planes[1], planes[1]), dim=-1)
            angle = (both[..., None] * frequency)[:, None]
            return angle.cos().to(dtype), angle.sin().to(dtype)

        golden = load_golden("v1a")
        monkeypatch.setattr(model_module, "rotary_angles", exact)
        with torch.no_grad():
            logits = model(golden["in.long"]).logits[:, -16:]
        assert logit_difference(logits, golden["out.long"]) > CLOSE

    def test_exact_gelu(self, model, monkeypatch):
        gelu = torch.nn.functional.gelu
        monkeypatch.setattr(torch.nn.functional, "gelu", lambda x, approximate: gelu(x))
        assert golden_error(model) > 5 * CLOSE


class TestWaysToRun:
    def test_step_by_step_without_position_ids(self, case):
        model, golden = case
        ids = golden["in.batch.input_ids"]
        mask = (ids != model.config.pad_token_id).long()
        with torch.no_grad():
            outputs = model(ids, attention_mask=mask)
            steps = [outputs.logits[:, -1]]
            for token in golden["in.forced"].T:
                mask = torch.nn.functional.pad(mask, (0, 1), value=1)
                outputs = model(
                    token[:, None], attention_mask=mask, past_key_values=outputs.past_key_values
                )
                steps.append(outputs.logits[:, -1])
        assert logit_difference(torch.stack(steps, 1), golden["out.inc_batch"]) < CLOSE

    def test_static_cache_compiles_to_one_graph(self, case):
        model, golden = case
        ids = golden["in.single.input_ids"]
        torch._dynamo.reset()
        step = torch.compile(model.forward, fullgraph=True, backend="eager")
        cache = StaticCache(config=model.config, max_cache_len=64)
        planes = positions.compute_positions(ids, torch.ones_like(ids), model.config)
        with torch.no_grad():
            steps = [step(ids, position_ids=planes, past_key_values=cache).logits[:, -1]]
            for token in golden["in.forced"][0]:
                planes = planes[..., -1:] + 1
                mask = model.create_masks_for_generate(
                    model.config, torch.empty(1, 1, 0), None, cache, planes
                )
                outputs = step(
                    token.view(1, 1),
                    attention_mask=mask,
                    position_ids=planes,
                    past_key_values=cache,
                )
                steps.append(outputs.logits[:, -1])
        assert logit_difference(torch.stack(steps, 1), golden["out.inc_single"]) < CLOSE
        assert not torch._dynamo.utils.counters["graph_break"]

    def test_static_cache_generates_the_same(self, case):
        model, golden = case
        answer = model.generate(
            golden["in.batch.input_ids"],
            max_new_tokens=24,
            do_sample=False,
            cache_implementation="static",
            disable_compile=True,
        )
        assert torch.equal(answer, golden["out.gen_batch"])

    def test_eager_attention_returns_weights(self, case):
        _, golden = case
        prefix = case[0].config.pre_seq_len or 0
        model = load_official("v1prefix" if prefix else "v1a", attn_implementation="eager")
        ids = golden["in.single.input_ids"]
        with torch.no_grad():
            outputs = model(ids, output_attentions=True, output_hidden_states=True)
        assert logit_difference(outputs.logits, golden["out.single"]) < CLOSE
        length = ids.shape[1]
        assert [tuple(weights.shape) for weights in outputs.attentions] == [
            (1, 4, length, prefix + length)
        ] * 3
        assert len(outputs.hidden_states) == 4

    def test_gradients_are_the_same_with_checkpointing(self, model):
        ids = load_golden("v1a")["in.train_like"]
        model.train()

        def gradients():
            model.zero_grad()
            model(ids, labels=ids, use_cache=False).loss.backward()
            return [parameter.grad.clone() for parameter in model.parameters()]

        plain = gradients()
        enable_gradient_checkpointing(model)
        for gradient, expected in zip(gradients(), plain, strict=True):
            torch.testing.assert_close(gradient, expected)

    def test_saved_with_official_names(self, model, tmp_path):
        model.save_pretrained(tmp_path)
        again = type(model).from_pretrained(tmp_path)
        assert set(again.state_dict()) == set(model.state_dict())
        assert golden_error(again.eval()) < CLOSE


class TestInvalidInput:
    def test_sequence_without_sop(self, model):
        with pytest.raises(ValueError, match=r"needs a <sop> \(id 9\)"):
            model(torch.tensor([[20, 21, 6]]))

    def test_embeddings_without_positions(self, model):
        with pytest.raises(ValueError, match="position_ids"):
            model(inputs_embeds=torch.zeros(1, 3, 64))

    def test_no_input(self, model):
        with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
            model()
