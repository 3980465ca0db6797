"""미리 만들어 둔 그림: 저장소에 든 것을 모두 읽을 수 있고, 없으면 None, 망가졌으면 한국어로 말해요."""

import numpy as np
import pytest

from course_utils import CourseError, samples

SHIPPED = sorted(samples.FOLDER.glob("*/*.npz"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_samples_are_pictures_with_facts(path):
    images, facts = samples.load(path.stem, path.parent.name)
    assert images.dtype == np.uint8 and images.shape[1:] == (28, 28) and len(images) and images.max() > 200 and facts


def test_shipped_samples_stay_small():
    assert sum(path.stat().st_size for path in SHIPPED) < 6e6  # 레슨 열여덟 개의 것


def test_other_data_and_unknown_names_have_none():
    assert samples.load("06_gan", "내파일.npz") is None and samples.load("없는이름", "digits") is None


def test_saved_samples_come_back_and_damaged_ones_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "FOLDER", tmp_path)
    images = np.random.default_rng(0).uniform(-0.1, 1.1, (5, 28, 28, 1))
    samples.save("모델", "digits", images, fid=1.5, 이름="셋")
    found = samples.load("모델", "digits")
    assert np.abs(found.images / 255 - np.clip(images[..., 0], 0, 1)).max() < 0.002
    assert found.facts == {"fid": 1.5, "이름": "셋"}
    path = tmp_path / "digits/모델.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CourseError, match="다시 내려받아"):
        samples.load("모델", "digits")
