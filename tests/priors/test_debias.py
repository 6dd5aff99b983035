"""Debiased prompts against probabilities taken from the model one sentence at a time."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from dream3d.errors import UserError
from dream3d.priors.addons.debias import VIEWS, Debias

SENTENCE = ["This", "image", "is", "depicting", "a", "view", "of"]
WORDS = ["[PAD]", "[UNK]", "[MASK]", *VIEWS, *SENTENCE, "smiling", "dog", "with", "bag"]
PROMPT = "a smiling dog with a bag"


def saved(folder, words):
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", mask_token="[MASK]"
    ).save_pretrained(folder)
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=16, max_position_embeddings=32, initializer_range=0.6)  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    torch.manual_seed(0)
    return saved(tmp_path_factory.mktemp("bert"), WORDS)


@torch.no_grad()
def probabilities(folder, prompt):
    """p(view | prompt), one sentence alone, by the ids."""
    model = BertForMaskedLM.from_pretrained(folder).eval()
    sentence = [*SENTENCE[:5], "[MASK]", *SENTENCE[5:], *prompt.split()]
    logits = model(torch.tensor([[WORDS.index(w) for w in sentence]])).logits[0, 5]
    p = logits.softmax(-1)[[WORDS.index(view) for view in VIEWS]]
    return p / p.sum()


def test_words_are_dropped_where_their_information_is_below_the_threshold(bert):
    told = Debias(str(bert))(PROMPT)
    words, full = PROMPT.split(), probabilities(bert, PROMPT)
    expected = [[] for _ in VIEWS]
    for i, word in enumerate(words):
        part = probabilities(bert, " ".join(words[:i] + words[i + 1 :]))
        for view in range(4):
            if full[view] / (0.5 * part[view] + 0.5 * full[view]) >= 0.95:
                expected[view].append(word)
    assert told == [" ".join(kept) for kept in expected]
    assert any(one != PROMPT for one in told) and all(told)


def test_a_threshold_of_zero_keeps_every_word_and_a_high_one_never_leaves_nothing(bert):
    assert Debias(str(bert), threshold=0.0)(PROMPT) == [PROMPT] * 4
    assert Debias(str(bert), threshold=3.0)(PROMPT) == [PROMPT] * 4


def test_mistakes_are_one_line_with_the_fix(bert, tmp_path):
    with pytest.raises(UserError, match=r"path: got 'no/model'.*hf download no/model") as caught:
        Debias("no/model", offline=True)(PROMPT)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"cannot be loaded .*prompts\.debias=null"):
        Debias(str(tmp_path))(PROMPT)
    few = saved(tmp_path / "few", ["[PAD]", "[UNK]", "[MASK]", "front"])
    with pytest.raises(UserError, match=r"vocabulary lacks \[MASK\] or one of front, side"):
        Debias(str(few))(PROMPT)
    with pytest.raises(UserError, match=r"prompt: got one with \[MASK\]"):
        Debias(str(bert))("a [MASK] dog")
