import pytest
import torch
from tiny import tokenizer
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from dream3d.compare import clip as clips
from dream3d.compare.judging import (
    clip_scores,
    colour_named,
    concept_of,
    distances,
    janus_score,
    judged,
    rewarded,
    seed_diversity,
)
from dream3d.compare.rewards import Reward
from dream3d.compare.values import Missing
from dream3d.errors import UserError
from dream3d.metrics import judge as judges
from dream3d.metrics.judge import Judge, JudgeNet
from dream3d.types import Image


def views(colour):
    """24 pictures of one colour, opaque."""
    return Image(torch.tensor(colour).expand(24, 16, 16, 3).contiguous(), torch.ones(24, 16, 16, 1))


class RedIsCorgi(Judge):
    """Says corgi as far as a picture is red, car as far as it is blue."""

    def logits(self, image):
        return image.colour.mean(dim=(1, 2))[:, [0, 2]]


JUDGE = RedIsCorgi(JudgeNet(2, (16, 16)), ["corgi", "car"])


def test_the_judge_is_asked_about_the_prompts_concept():
    red = views([0.9, 0.1, 0.1])
    assert judged(red, "a red corgi", JUDGE) == {"judge_precision": 1.0, "judge_rank": 1.0}
    assert judged(red, "a car", JUDGE) == {"judge_precision": 0.0, "judge_rank": 2.0}
    assert set(judged(red, "a carpet", JUDGE).values()) == {Missing("the prompt contains no concept of the judge")}
    assert set(judged(red, "a car", "no weights").values()) == {Missing("no weights")}


def test_concepts_are_whole_words_the_longest_and_the_first_that_is_named():
    assert concept_of("A fire truck!", ["truck", "fire truck"]) == "fire truck"
    assert concept_of("a bunny beside a fire engine", ["truck", "rabbit"]) == "rabbit"  # the prior's own name
    assert concept_of("a cat in a washing machine", ["washing machine", "cat"]) == "cat"
    assert concept_of("a t-rex", ["t-rex", "rex"]) == "t-rex"
    assert concept_of("a carpet", ["car"]) is None


def test_the_colour_is_that_of_the_prompt():
    red = views([0.8, 0.15, 0.1])
    assert colour_named(red, "a red car") == {"colour_match": 1.0}
    assert colour_named(red, "a blue car") == {"colour_match": 0.0}
    assert colour_named(red, "a red and blue car") == {"colour_match": Missing("the prompt names several colours")}
    assert colour_named(red, "the orange fruit") == {"colour_match": Missing("the prompt names no colour")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny CLIP of the real classes."""
    torch.manual_seed(0)
    small = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = CLIPTextConfig(vocab_size=12, max_position_embeddings=8, eos_token_id=0, bos_token_id=0, **small)
    vision = CLIPVisionConfig(image_size=16, patch_size=8, **small)
    place = tmp_path_factory.mktemp("clip")
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=6)
    CLIPModel(config).save_pretrained(place)
    tokenizer(8).save_pretrained(place)
    return place


def test_clip_scores_are_those_of_the_model(folder):
    """The score by the model's own forward pass (its logits are scaled cosines); a negative cosine counts 0."""
    eyes, red = clips.load(str(folder)), views([0.9, 0.1, 0.1])
    assert eyes.name == folder.name
    model, words = CLIPModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    captions = ["a corgi", "a red truck"]
    found = clip_scores(red, "a corgi", captions, eyes)
    tokens = words(captions, padding=True, return_tensors="pt")
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (clips.CLIP_MEAN, clips.CLIP_STD))
    pixels = (red.colour.permute(0, 3, 1, 2)[:1] - mean) / std
    with torch.no_grad():
        out = model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=pixels)
        cosines = (out.logits_per_image / model.logit_scale.exp())[0]
    assert found["clip_score"] == pytest.approx(max(100 * cosines[0].item(), 0), abs=1e-3)
    scores = [clip_scores(red, c, captions, eyes)["clip_score"] for c in captions]
    assert scores == pytest.approx([max(100 * c.item(), 0) for c in cosines], abs=1e-3)
    assert found["clip_precision"] == float(cosines[0] > cosines[1])


def test_without_a_clip_or_distractors_it_says_so(folder):
    red = views([0.9, 0.1, 0.1])
    assert all("none is downloaded" in str(v) for v in clip_scores(red, "a", ["a"], None).values())
    found = clip_scores(red, "a", ["a"], clips.load(str(folder)))
    assert found["clip_precision"] == Missing("a single prompt has no distractors")
    with pytest.raises(UserError, match="not a CLIP model on disk"):
        clips.load("/nowhere")


def test_a_thing_with_two_fronts_scores_high():
    """A mark that is seen from the front, and one that is seen from front and back."""
    plain, marked = torch.full((16, 16, 3), 0.5), torch.full((16, 16, 3), 0.5)
    marked[4:9, 3:7] = 1.0
    single = torch.stack([marked if i == 0 else plain for i in range(24)])
    double = torch.stack([marked if i in (0, 12) else plain for i in range(24)])
    solid = torch.ones(24, 16, 16, 1)
    assert janus_score(Image(single, solid))["janus"] < 0.2
    assert janus_score(Image(double, solid))["janus"] > 0.9


class Axes(clips.Clip):
    """Embeds every picture of one colour as that colour, and texts as red."""

    def images(self, pictures):
        return 3 * pictures.mean(dim=(1, 2))

    def texts(self, captions):
        return torch.tensor([[1.0, 0.0, 0.0]]).expand(len(captions), 3)


AXES = Axes("axes", 16, lambda x: x, lambda captions: torch.zeros(len(captions), 3))


def test_diversity_is_the_rms_difference():
    grey, white = views([0.5, 0.5, 0.5]), views([1.0, 1.0, 1.0])
    assert seed_diversity({0: grey, 1: grey})["diversity"] == pytest.approx(0, abs=1e-6)
    assert seed_diversity({0: grey, 1: white})["diversity"] == pytest.approx(0.5, rel=1e-5)
    assert set(seed_diversity({0: grey}).values()) == {Missing("a single seed")}


def test_clip_diversity_is_the_distance_on_the_unit_sphere():
    """Red and green embeddings are at right angles, whatever their length."""
    red, green = views([1.0, 0.0, 0.0]), views([0.0, 0.5, 0.0])
    assert seed_diversity({0: red, 1: green}, AXES)["clip_diversity"] == pytest.approx(2**0.5)
    assert seed_diversity({0: red, 1: red}, AXES)["clip_diversity"] == pytest.approx(0, abs=1e-3)
    assert "none is downloaded" in seed_diversity({0: red, 1: red})["clip_diversity"].reason


def test_distances_to_a_folder_of_pictures():
    """All renders of a variant at once; equal sets are at 0, and each distance says what it lacks."""
    red, blue = views([0.9, 0.1, 0.1]), views([0.1, 0.1, 0.9])
    judge = judges.load()
    same = distances([red, red], Image(red.colour[:9], red.alpha[:9]), judge, AXES)
    other = distances([red, red], Image(blue.colour[:9], blue.alpha[:9]), judge, AXES)
    for name in ("judge_fid", "judge_kid", "clip_fid"):
        assert abs(same[name]) < 1e-4 < other[name]
    assert other["clip_fid"] == pytest.approx(9 * 2 * 0.8**2, rel=1e-3)
    assert "no images" in distances([red], None, judge, None)["clip_fid"].reason
    assert distances([red], red, "no weights", None)["judge_kid"] == Missing("no weights")


def test_rewards_see_eight_sides_on_grey_and_the_prompt():
    seen = []
    reward = Reward("model", lambda pictures, prompt: seen.append((pictures, prompt)) or 1.25)
    clear = Image(torch.zeros(24, 4, 4, 3), torch.zeros(24, 4, 4, 1))
    found = rewarded(clear, "a corgi", {"image_reward": reward, "hps": None})
    assert found["image_reward"] == 1.25 and "hps=" in found["hps"].reason
    assert seen[0][1] == "a corgi" and seen[0][0].shape == (8, 4, 4, 3) and (seen[0][0] == 0.5).all()
