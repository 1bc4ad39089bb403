"""Encoders turn a sample into a feature pyramid. They know nothing about memories, labels or screens."""

from parmesan_engine.encoders.backbone import Backbone
from parmesan_engine.encoders.conv_pyramid import ConvPyramid
from parmesan_engine.encoders.filter_bank import FilterBank
from parmesan_engine.encoders.skimage_features import SkimageFeatures
from parmesan_engine.registry import Registry

ENCODERS = Registry("encoder")
ENCODERS.register("backbone")(Backbone)
ENCODERS.register("filter_bank")(FilterBank)
ENCODERS.register("skimage")(SkimageFeatures)
ENCODERS.register("conv_pyramid")(ConvPyramid)

__all__ = ["ENCODERS", "Backbone", "ConvPyramid", "FilterBank", "SkimageFeatures"]
