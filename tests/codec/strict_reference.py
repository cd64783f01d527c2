"""The strict profile once more, for one frame, in int64 and loops: what the format says, without its tricks."""

import math

import numpy as np

from vcl.codec import exact


def rounded(total, exponent, target):
    """⌊total · 2 ** (target - exponent) + 1/2⌋ of int64, exponents of numbers or of arrays."""
    shift = np.asarray(exponent) - target
    up, down = np.maximum(-shift, 0), np.maximum(shift, 0)
    total = np.left_shift(total, up)
    return np.where(down > 0, (total + (1 << np.maximum(down, 1) - 1)) >> down, total)


def saturated(values, steps=2**15):
    return np.clip(values, -steps, steps - 1)


def fixed(weight, axis):
    """Whole numbers of weights and the exponents of those along an axis."""
    largest = np.abs(weight).max(axis=axis, keepdims=True)
    exponent = np.array([15 - math.frexp(value)[1] for value in largest.flat]).reshape(largest.shape)
    return np.minimum(np.floor(weight.astype(float) * 2.0**exponent + 0.5), 2**15 - 1).astype(np.int64), exponent


def convolved(x, weight, exponent):
    """``(O, H, W)`` before rounding and its exponents ``(O, 1, 1)``, of ``(C, H, W)``."""
    steps, exponents = fixed(weight.reshape(len(weight), -1), 1)
    kernels, padded = steps.reshape(weight.shape), np.pad(x, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros((len(weight), *x.shape[1:]), np.int64)
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + x.shape[1], dx : dx + x.shape[2]]
            total += np.tensordot(kernels[:, :, dy, dx], window, 1)
    return total, exponents[..., None] + exponent


def shuffled(x, stride):
    channels, height, width = x.shape
    parts = x.reshape(channels // stride**2, stride, stride, height, width)
    return parts.transpose(0, 3, 1, 4, 2).reshape(-1, height * stride, width * stride)


def operated(x, weights, exponent, scale, stride, spectrum):
    """``FourierOperator`` before rounding and its exponent: sums over waves, one frequency at a time."""
    (_, height, width), (rows, columns, _, outputs) = x.shape, weights["positive_real"].shape
    across, down = 15 + math.ceil(math.log2(width)), 15 + math.ceil(math.log2(height))
    circles = {
        "across": exact.circle(width, across, width),
        "down": exact.circle(height, down, height),
        "up": exact.circle(height * stride),
        "out": exact.circle(width * stride),
    }

    def wave(kind, frequency, count):
        cosine, sine = circles[kind]
        turn = frequency * np.arange(count) % len(cosine)
        return cosine[turn], sine[turn]

    lines = np.zeros((2, outputs, height * stride, columns), np.int64)
    for column in range(columns):
        cosine, sine = wave("across", column, width)
        real, imag = (rounded(x @ part, exponent + across, exponent + 8) for part in (cosine, -sine))
        for number in range(2 * rows):
            own, sign = (number, "positive") if number < rows else (number - rows, "negative")
            frequency = own if number < rows else height - rows + own
            cosine, sine = wave("down", frequency, height)
            low = [real @ cosine + imag @ sine, imag @ cosine - real @ sine]
            real_low, imag_low = (rounded(part, exponent + 8 + down, exponent + 8) for part in low)
            pair = np.stack([weights[f"{sign}_{part}"][own, column] for part in ("real", "imag")])
            (by_real, by_imag), of_row = fixed(pair, (0, 1))
            mixed = [real_low @ by_real - imag_low @ by_imag, real_low @ by_imag + imag_low @ by_real]
            mixed = [saturated(rounded(part, of_row[0, 0] + exponent + 8, scale), 2**26) for part in mixed]
            placed = frequency if spectrum == "packed" or number < rows else height * stride - rows + own
            cosine, sine = wave("up", placed, height * stride)
            lines[0, :, :, column] += np.outer(mixed[0], cosine) - np.outer(mixed[1], sine)
            lines[1, :, :, column] += np.outer(mixed[0], sine) + np.outer(mixed[1], cosine)
    lines = saturated(rounded(lines, scale + 15, scale), 2**26)
    finer = np.zeros((outputs, height * stride, width * stride), np.int64)
    for column in range(columns):
        cosine, sine = wave("out", column, width * stride)
        finer += (1 if column == 0 else 2) * (lines[0, ..., [column]].transpose(1, 2, 0) * cosine)
        finer -= (1 if column == 0 else 2) * (lines[1, ..., [column]].transpose(1, 2, 0) * sine)
    return finer, scale + 15


def reference_frame(config, size, sessions, subnetwork, exponents, session, t, length):
    """``(3, H, W)`` uint8, and the largest magnitude before saturation at each layer but the operator."""
    weights = {name: weight.numpy() for name, weight in subnetwork.weights.items()}
    scales, peaks = exponents.values, []
    frequencies = exact.powers(config.base, config.levels)
    count = sessions if config.session_embedding == "fraction" else None
    x = exact.embedding((t, length), frequencies)
    x, exponent = np.array(x + exact.embedding(exact.session_position(session, count), frequencies)), 15
    for name, scale in zip(("fc1", "fc2"), scales, strict=False):
        steps, exponents_here = fixed(weights[f"{name}.weight"], 1)
        x = rounded(steps @ x, exponents_here[:, 0] + exponent, scale)
        peaks.append(np.abs(x).max())
        x, exponent = np.maximum(saturated(x), 0), scale
    strides = config.strides
    x = x.reshape(-1, size[0] // math.prod(strides), size[1] // math.prod(strides))
    for number, (stride, scale) in enumerate(zip(strides, scales[2:], strict=False)):
        prefix, raw = f"blocks.{number}.", 0
        if f"{prefix}conv.weight" in weights:
            raw = shuffled(rounded(*convolved(x, weights[f"{prefix}conv.weight"], exponent), scale), stride)
        if f"{prefix}operator.positive_real" in weights:
            own = {name[len(prefix) + 9 :]: weight for name, weight in weights.items() if prefix + "operator." in name}
            finer = operated(x, own, exponent, scales[-1], stride, config.operator_spectrum)
            raw = raw + rounded(*finer, scale)
        peaks.append(np.abs(raw).max())
        x, exponent = exact.silu_table(scale)[saturated(raw) + 2**15].astype(np.int64), scale
    steps, exponents_here = fixed(subnetwork.session["head"].numpy(), 1)
    colours = rounded(np.tensordot(steps, x, 1), exponents_here[..., None] + exponent, exact.COLOUR_EXPONENT)
    return exact.colour_table()[saturated(colours) + 2**15], peaks
