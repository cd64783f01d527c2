"""Knobs that make each backbone small enough to be trained in a test, for frames of 32 x 48."""

SMALL = {
    "nerv": {"levels": 6, "stem_width": 16, "channels": 8, "strides": [2, 2], "lower_width": 6},
    "hnerv": {"channels": 8, "strides": [4, 2, 2], "lower_width": 4, "code_channels": 3, "encoder_width": 4},
    "liif": {"strides": [4, 2], "code_channels": 3, "encoder_width": 4, "width": 12, "layers": 2, "points": 64},
    "nerf": {"octaves": 5, "width": 16, "layers": 2, "points": 64},
    "siren": {"width": 16, "hidden_layers": 1, "points": 64},
    "tuner": {"width": 24, "points": 64},
    "videoinr": {"strides": [4, 2], "code_channels": 3, "encoder_width": 4, "width": 12, "points": 64},
    "diffnerv": {
        **{"channels": 8, "strides": [4, 2, 2], "lower_width": 4, "code_channels": 3, "encoder_width": 4},
        **{"fusion_block": 2, "difference_strides": [2, 2]},
    },
    "divnerv": {
        **{"channels": 8, "strides": [4, 2, 2], "lower_width": 4, "levels": 6, "stem_width": 12, "clip": 3},
        "key_width": 4,
    },
    "enerv": {
        **{"channels": 8, "strides": [4, 2, 2], "lower_width": 6, "levels": 6, "time_width": 12, "token_width": 8},
        **{"heads": 2, "attention_width": 4, "feedforward_width": 8, "modulation_width": 8, "expansion": 1.5},
    },
    "ffnerv": {"channels": 8, "strides": [4, 2, 2], "lower_width": 6, "grid_lengths": [3, 6]},
    "polynerv": {
        **{"channels": 8, "strides": [2, 2], "lower_width": 6, "levels": 6, "code_width": 10, "attention_width": 6},
        **{"patches": [2, 2], "cells": [2, 2], "stem_channels": 4},
    },
    "snerv_b": {
        **{"channels": 8, "strides": [2, 2, 2], "lower_width": 4, "code_channels": 3, "encoder_width": 4},
        "residual_blocks": 1,
    },
    "snerv_t": {
        **{"channels": 6, "strides": [2, 2, 2, 1], "lower_width": 4, "code_channels": 3, "encoder_width": 4},
        **{"residual_blocks": 1, "motion_strides": [4, 2], "motion_channels": 2},
    },
}
