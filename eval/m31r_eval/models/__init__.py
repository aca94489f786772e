"""What can be evaluated, by what a user writes behind `--model` and `--beside`.

DIR          a bundle of ours            copy         the most similar line of the file
gguf:FILE    llama.cpp                   ngram:FILE   the n-gram that `m31r-eval ngram` counted
hf:DIR       Hugging Face, with FIM      reference    what the task expects
                                         empty        nothing at all
"""

from m31r_eval.models.base import Answer, Asked, Drawn, Model
from m31r_eval.models.specs import ModelSpec, identify, open_model, parse_model

__all__ = [
    "Answer",
    "Asked",
    "Drawn",
    "Model",
    "ModelSpec",
    "identify",
    "open_model",
    "parse_model",
]
