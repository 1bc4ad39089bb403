"""Run lengths against pycocotools."""

import numpy as np
import pytest
from pycocotools import mask as coco

from parmesan_engine.regions import coco_annotations, find_objects


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [(17, 29), (1, 40), (40, 1)])
def test_pycocotools_decodes_the_same_pixels(seed, size):
    smooth = 1 + seed % 4
    labels = np.random.default_rng(seed).integers(0, 3, size).repeat(smooth, 0).repeat(smooth, 1).astype(np.int16)
    objects = find_objects(labels, (1, 2))
    found = list(coco_annotations(objects.index, objects.classes))
    assert [a["object"] for a in found] == list(range(1, len(objects) + 1))
    for annotation in found:
        mask = objects.index == annotation["object"]
        assert np.array_equal(coco.decode(annotation["segmentation"]), mask)
        assert annotation["area"] == coco.area(annotation["segmentation"]) == mask.sum()
        assert annotation["bbox"] == coco.toBbox(annotation["segmentation"]).tolist()
        assert annotation["category_id"] == labels[mask][0] + 1
        assert annotation["segmentation"]["counts"] == coco.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


@pytest.mark.parametrize("spot", [(slice(None), slice(None)), (0, 0), (-1, -1), (slice(None), 0), (0, slice(None))])
def test_masks_at_the_border(spot):
    labels = np.zeros((300, 70), np.int16)
    labels[spot] = 1
    objects = find_objects(labels, (1,))
    (annotation,) = coco_annotations(objects.index, objects.classes)
    assert np.array_equal(coco.decode(annotation["segmentation"]), labels)


def test_no_object_no_annotation():
    assert list(coco_annotations(np.zeros((4, 5), np.int32), np.zeros(0, np.int16))) == []
