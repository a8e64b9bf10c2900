# SPDX-License-Identifier: Apache-2.0
"""A source-filter vocoder: speech to slow features (numpy) and back (TensorFlow, fixed arithmetic).

Features are float32 [FRAMES, FEATURES], one row each 10 ms:

  columns          meaning
  0 .. BANDS-1     smoothed log power (natural log) at mel-spaced frequencies; white noise of
                   variance 1 has log power 0
  F0               natural log of the pitch in Hz, carried on through unvoiced frames
  F0+1 ..          aperiodicity, from 0 (all pulses) to 1 (all noise), in five bands

The synthesis is part of the exported graph. It has no state and draws nothing: its noise source
is a constant.
"""

import numpy as np

SAMPLE_RATE = 16000
SAMPLES = 16000
HOP = 160
FRAMES = SAMPLES // HOP
WINDOW = 640
FFT = 1024
BINS = FFT // 2 + 1
BANDS = 48
F0 = BANDS
APERIODICITY_EDGES = [0, 1000, 2000, 3500, 5500, 8000]  # Hz
APERIODICITIES = len(APERIODICITY_EDGES) - 1
FEATURES = BANDS + 1 + APERIODICITIES
MARGIN = (WINDOW - HOP) // 2
FLOOR = 1e-8  # power; about -80 dB

HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
BIN_HZ = np.arange(BINS) * SAMPLE_RATE / FFT


def _band_centres():
    """Hz [BANDS], mel-spaced from 60 Hz to 7900 Hz."""
    mel = np.linspace(1127 * np.log1p(60 / 700), 1127 * np.log1p(7900 / 700), BANDS)
    return 700 * np.expm1(mel / 1127)


def _interpolation(centres):
    """[len(centres), BINS]: values at `centres` (Hz) to values at every bin, straight between."""
    return np.stack([np.interp(BIN_HZ, centres, row) for row in np.eye(len(centres))])


def _aperiodicity_centres():
    return (np.array(APERIODICITY_EDGES[:-1]) + np.array(APERIODICITY_EDGES[1:])) / 2


def _frames(sound):
    """[SAMPLES] to windowed frames [FRAMES, WINDOW]; frame i is centred on sample 160 i + 80."""
    padded = np.pad(sound.astype(np.float64), MARGIN)
    starts = HOP * np.arange(FRAMES)[:, None]
    return padded[starts + np.arange(WINDOW)] * HANN


def _periodicity(power, edges, lags):
    """Normalised autocorrelation in a band.

    power: [frames, bins] of frames windowed by HANN, from an FFT of 2 (bins - 1) points
    edges: (low, high) in Hz
    lags: samples, [frames, lags] or [1, lags]
    """
    size = 2 * (power.shape[1] - 1)
    hz = np.arange(power.shape[1]) * SAMPLE_RATE / size
    inside = np.flatnonzero((hz >= edges[0]) & (hz < edges[1]))
    turns = 2 * np.pi * inside / size
    band = power[:, inside]
    window_power = np.abs(np.fft.rfft(HANN, size)) ** 2
    window_correlation = np.fft.irfft(window_power)
    window_correlation = np.interp(lags, np.arange(size // 2), window_correlation[:size // 2])
    if lags.shape[0] == 1:
        correlation = band @ np.cos(np.outer(turns, lags[0]))
    else:
        correlation = np.einsum("fb,flb->fl", band, np.cos(lags[:, :, None] * turns))
    total = band.sum(axis=1, keepdims=True) + 1e-9
    return correlation / total * window_correlation[..., :] ** -1 * np.sum(HANN ** 2)


def _pitch(power):
    """Pitch in Hz and voicing in [0, 1] for each frame, from the power below 1 kHz."""
    lags = np.arange(SAMPLE_RATE // 350, SAMPLE_RATE // 62)[None, :].astype(np.float64)
    strength = _periodicity(power, (50, 1000), lags)
    preferred = strength * (1 - 0.15 * lags / lags.max())
    best = np.clip(np.argmax(preferred, axis=1), 1, lags.shape[1] - 2)
    rows = np.arange(len(best))
    left, middle, right = (strength[rows, best + k] for k in (-1, 0, 1))
    bend = left - 2 * middle + right
    offset = np.where(bend < -1e-9, 0.5 * (left - right) / np.minimum(bend, -1e-9), 0)
    return SAMPLE_RATE / (lags[0, best] + np.clip(offset, -1, 1)), middle


def analyse(sound):
    """A recording, float [SAMPLES], to features, float32 [FRAMES, FEATURES]."""
    spectrum = np.fft.rfft(_frames(sound), 2048)
    power = np.square(np.abs(spectrum)) / np.sum(HANN ** 2)
    energy = power.mean(axis=1)

    pitch, voicing = _pitch(power)
    voiced = (voicing > 0.55) & (energy > 10 ** -4.5 * energy.max())
    if not voiced.any():
        voiced[np.argmax(voicing)] = True
    middle = np.exp(np.median(np.log(pitch[voiced])))
    voiced &= np.abs(np.log(pitch / middle)) < 0.4  # an octave off is a mistake
    where = np.flatnonzero(voiced)
    log_pitch = np.interp(np.arange(FRAMES), where, np.log(pitch[where]))
    log_pitch = np.convolve(np.pad(log_pitch, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], "valid")

    # The power over one pitch period's width is the envelope without the harmonics.
    cumulative = np.concatenate([np.zeros((FRAMES, 1)), np.cumsum(power, axis=1)], axis=1)
    hz_per_bin = SAMPLE_RATE / 2048
    centres = _band_centres()
    spacing = np.gradient(centres)
    bands = np.empty((FRAMES, BANDS))
    for frame in range(FRAMES):
        width = np.maximum(np.exp(log_pitch[frame]), spacing)
        low = np.clip((centres - width / 2) / hz_per_bin + 0.5, 0, power.shape[1])
        high = np.clip((centres + width / 2) / hz_per_bin + 0.5, 0, power.shape[1])
        at = np.interp(np.concatenate([low, high]), np.arange(cumulative.shape[1]),
                       cumulative[frame])
        bands[frame] = (at[BANDS:] - at[:BANDS]) / (high - low)

    period = SAMPLE_RATE / np.exp(log_pitch)
    lags = period[:, None] * np.linspace(0.988, 1.012, 5)[None, :]
    aperiodicity = np.empty((FRAMES, APERIODICITIES))
    for band in range(APERIODICITIES):
        edges = (APERIODICITY_EDGES[band], APERIODICITY_EDGES[band + 1])
        strength = _periodicity(power, edges, lags).max(axis=1)
        # Pitch that glides within a frame smears high harmonics: 0.8 counts as periodic.
        aperiodicity[:, band] = np.clip((0.8 - strength) / 0.6, 0, 1)
    aperiodicity[~voiced] = 1
    return np.concatenate([np.log(bands + FLOOR), log_pitch[:, None], aperiodicity],
                          axis=1).astype(np.float32)


def noise_source():
    """The constant noise that the synthesis filters: float32 [SAMPLES + 2 MARGIN], variance 1."""
    return np.random.default_rng(16000).standard_normal(SAMPLES + 2 * MARGIN).astype(np.float32)


def synthesise(features):
    """Features, tf.float32 [N, FRAMES, FEATURES], to sound, tf.float32 [N, SAMPLES], unclipped."""
    import tensorflow as tf

    envelope = tf.tensordot(features[:, :, :BANDS],
                            tf.constant(_interpolation(_band_centres()), tf.float32), 1)
    aperiodicity = tf.tensordot(features[:, :, F0 + 1:],
                                tf.constant(_interpolation(_aperiodicity_centres()), tf.float32),
                                1)
    # Interpolation of the logarithm loses power nowhere near as much as a floor would add.
    pulse_gain = envelope + tf.math.log(tf.clip_by_value(1 - aperiodicity, 1e-5, 1.0))
    noise_gain = envelope + tf.math.log(tf.clip_by_value(aperiodicity, 1e-5, 1.0))

    pulses = _filtered(_pulses(features[:, :, F0]), pulse_gain)
    noise = tf.constant(noise_source())[tf.newaxis, :] * tf.ones_like(features[:, :1, 0])
    return pulses + _filtered(noise, noise_gain)


def _pulses(log_pitch):
    """A train of band-limited pulses, [N, SAMPLES + 2 MARGIN], with the power of white noise.

    log_pitch: tf.float32 [N, FRAMES]
    """
    import tensorflow as tf

    # Frame centres lie half a hop inside; the ends are held.
    total = SAMPLES + 2 * MARGIN
    place = np.clip((np.arange(total) - MARGIN - HOP / 2) / HOP, 0, FRAMES - 1)
    left = np.minimum(place.astype(np.int64), FRAMES - 2)
    share = tf.constant(place - left, tf.float32)
    pitch = tf.exp(tf.gather(log_pitch, left, axis=1) * (1 - share)
                   + tf.gather(log_pitch, left + 1, axis=1) * share)
    turns = tf.cumsum(tf.cast(pitch, tf.float64) / SAMPLE_RATE, axis=1)
    turns = tf.cast(turns - tf.floor(turns), tf.float32)

    harmonics = 7600.0 / pitch
    whole = tf.floor(harmonics)
    part = harmonics - whole
    return (((1 - part) * _cosines(turns, whole) + part * _cosines(turns, whole + 1))
            * tf.sqrt(4 * pitch / SAMPLE_RATE))


def _cosines(turns, count):
    """The sum over k = 1 .. count of cos(2 pi k turns), by Dirichlet's closed form."""
    import tensorflow as tf

    below = tf.sin(np.pi * turns)
    flat = tf.abs(below) < 1e-4
    above = tf.sin(2 * np.pi * (count + 0.5) * turns)
    return tf.where(flat, count, 0.5 * above / tf.where(flat, tf.ones_like(below), below) - 0.5)


def _filtered(source, log_power):
    """`source` [N, SAMPLES + 2 MARGIN] through minimum-phase filters that change each frame.

    log_power: the filters' squared gain, natural log, [N, FRAMES, BINS]
    """
    import tensorflow as tf

    # The real cepstrum, folded onto positive times, is the minimum-phase filter's logarithm.
    cepstrum = tf.signal.irfft(tf.cast(0.5 * log_power, tf.complex64), [FFT])
    fold = np.zeros(FFT)
    fold[0] = fold[FFT // 2] = 1
    fold[1:FFT // 2] = 2
    response = tf.exp(tf.signal.rfft(cepstrum * tf.constant(fold, tf.float32), [FFT]))

    window = tf.constant(np.sqrt(HANN), tf.float32)
    frames = tf.signal.frame(source, WINDOW, HOP) * window
    shaped = tf.signal.irfft(tf.signal.rfft(frames, [FFT]) * response, [FFT])[:, :, :WINDOW]
    # Square-root Hann twice, at a quarter's hop, adds up to 2.
    sound = tf.signal.overlap_and_add(shaped * (0.5 * window), HOP)
    return sound[:, MARGIN:MARGIN + SAMPLES]
