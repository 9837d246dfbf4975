"""CTF and aberrations against their definitions, written here once more and literally."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryofocus.maths.ctf import (
    CtfParameters,
    Microscope,
    aberration_phase,
    evaluate_ctf,
    even_zernike_degrees,
    odd_zernike_degrees,
)

N = 5


def make_parameters(**changes: float) -> CtfParameters:
    """CTF parameters of a few astigmatic particles."""
    rng = np.random.default_rng(5)
    columns = {
        "defocus_u_angstrom": rng.uniform(8e3, 3e4, N),
        "defocus_v_angstrom": rng.uniform(8e3, 3e4, N),
        "defocus_angle_degrees": rng.uniform(0, 180, N),
        "phase_shift_degrees": rng.uniform(0, 90, N),
        "b_factor_square_angstrom": rng.uniform(0, 80, N),
        "ctf_scale": rng.uniform(0.5, 1, N),
    }
    columns |= {name: np.full(N, float(value)) for name, value in changes.items()}
    return CtfParameters(**columns)


def literal_ctf(
    parameters: CtfParameters, i: int, microscope: Microscope, x: float, y: float
) -> float:
    """-sin(gamma) of one particle at one frequency, straight from the published formula."""
    (a, b), (c, d) = microscope.magnification_matrix
    x, y = a * x + b * y, c * x + d * y
    volt = microscope.voltage_kilovolt * 1e3
    wavelength = 12.2643247 / math.sqrt(volt * (1 + volt * 0.978466e-6))
    cs = microscope.spherical_aberration_mm * 1e7
    w = microscope.amplitude_contrast
    u, v = parameters.defocus_u_angstrom[i], parameters.defocus_v_angstrom[i]
    azimuth = math.atan2(y, x) - math.radians(parameters.defocus_angle_degrees[i])
    defocus = u * math.cos(azimuth) ** 2 + v * math.sin(azimuth) ** 2
    squared = x * x + y * y
    gamma = (
        -math.pi * wavelength * defocus * squared
        + math.pi / 2 * cs * wavelength**3 * squared**2
        - math.atan(w / math.sqrt(1 - w * w))
        - math.radians(parameters.phase_shift_degrees[i])
    )
    envelope = math.exp(-parameters.b_factor_square_angstrom[i] * squared / 4)
    return -math.sin(gamma) * envelope * parameters.ctf_scale[i]


@pytest.mark.parametrize("box", [15, 16])
@pytest.mark.parametrize("matrix", [((1.0, 0.0), (0.0, 1.0)), ((1.01, 0.02), (-0.01, 0.98))])
def test_ctf_is_the_published_formula(
    box: int, matrix: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    """Every coefficient of every particle agrees, with and without anisotropic magnification."""
    microscope = Microscope(200.0, 1.4, 0.1, magnification_matrix=matrix)
    parameters, pixel = make_parameters(), 1.7
    found = evaluate_ctf(parameters, microscope, box, pixel)
    assert found.dtype == np.float32
    fx, fy = np.fft.rfftfreq(box, pixel), np.fft.fftfreq(box, pixel)
    expected = [
        [[literal_ctf(parameters, i, microscope, x, y) for x in fx] for y in fy] for i in range(N)
    ]
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("w", [0.0, 0.07, 0.1, 1.0])
def test_ctf_starts_at_plus_amplitude_contrast(w: float) -> None:
    """At frequency zero the CTF is +w: protein is white."""
    parameters = make_parameters(phase_shift_degrees=0.0, ctf_scale=1.0)
    ctf = evaluate_ctf(parameters, Microscope(300.0, 2.7, w), 8, 2.0)
    np.testing.assert_allclose(ctf[:, 0, 0], w, atol=1e-6)


def test_astigmatism_axis_is_counted_from_x() -> None:
    """At angle 0 the x axis has the defocus U and the y axis V; at 90 they change places."""
    microscope = Microscope(300.0, 2.7, 0.07)
    plain = {"phase_shift_degrees": 0.0, "b_factor_square_angstrom": 0.0, "ctf_scale": 1.0}

    def ctf(u: float, v: float, angle: float) -> np.ndarray:
        defocus = {
            "defocus_u_angstrom": u,
            "defocus_v_angstrom": v,
            "defocus_angle_degrees": angle,
        }
        return evaluate_ctf(make_parameters(**defocus, **plain), microscope, 32, 2.0)[0]

    only_u, only_v = ctf(2e4, 2e4, 0), ctf(1e4, 1e4, 0)
    np.testing.assert_allclose(ctf(2e4, 1e4, 0)[0], only_u[0], atol=1e-4)
    np.testing.assert_allclose(ctf(2e4, 1e4, 0)[:, 0], only_v[:, 0], atol=1e-4)
    np.testing.assert_allclose(ctf(2e4, 1e4, 90)[0], only_v[0], atol=1e-4)
    # On the diagonal kx = ky an angle of 45 degrees gives U, and -45 degrees V.
    diagonal = np.arange(1, 16)
    towards = ctf(2e4, 1e4, 45)[diagonal, diagonal]
    np.testing.assert_allclose(towards, only_u[diagonal, diagonal], atol=1e-4)
    away = ctf(2e4, 1e4, -45)[diagonal, diagonal]
    np.testing.assert_allclose(away, only_v[diagonal, diagonal], atol=1e-4)


def test_zernike_order() -> None:
    """Coefficients are ordered by radial degree, then from -n to n in steps of two."""
    even = [(0, 0), (-2, 2), (0, 2), (2, 2), (-4, 4), (-2, 4), (0, 4), (2, 4), (4, 4)]
    odd = [(-1, 1), (1, 1), (-3, 3), (-1, 3), (1, 3), (3, 3), (-5, 5)]
    assert [even_zernike_degrees(i) for i in range(9)] == even
    assert [odd_zernike_degrees(i) for i in range(7)] == odd


def test_second_degree_even_aberration_is_a_defocus() -> None:
    """c (2 s^2 - 1) taken from chi is a defocus of -2c/(pi lambda) and a phase of +c."""
    c = 8.0
    with_zernike = Microscope(300.0, 2.7, 0.1, even_zernike=(0.0, 0.0, c))
    without = Microscope(300.0, 2.7, 0.1)
    parameters = make_parameters()
    defocus = -2 * c / (math.pi * without.wavelength_angstrom)
    moved = CtfParameters(
        parameters.defocus_u_angstrom + defocus,
        parameters.defocus_v_angstrom + defocus,
        parameters.defocus_angle_degrees,
        parameters.phase_shift_degrees + math.degrees(c),
        parameters.b_factor_square_angstrom,
        parameters.ctf_scale,
    )
    found = evaluate_ctf(parameters, with_zernike, 16, 1.5)
    np.testing.assert_allclose(found, evaluate_ctf(moved, without, 16, 1.5), atol=1e-4)


def test_beam_tilt_is_third_order_coma() -> None:
    """The phase is -2 pi Cs lambda^2 s^2 (s.tilt), as a literal formula has it."""
    microscope = Microscope(300.0, 2.7, 0.1, beam_tilt_mrad=(0.4, -0.9))
    phase = aberration_phase(microscope, 16, 1.2)
    assert phase is not None
    x, y = np.fft.rfftfreq(16, 1.2)[3], np.fft.fftfreq(16, 1.2)[-5]
    coma = 2 * math.pi * 2.7e7 * microscope.wavelength_angstrom**2
    expected = -coma * (x * x + y * y) * (x * 0.4e-3 - y * 0.9e-3)
    assert phase[-5, 3] == pytest.approx(complex(math.cos(expected), math.sin(expected)), abs=1e-5)


def test_beam_tilt_equals_its_zernike_terms() -> None:
    """Coma is 3 s^2 x, and the odd polynomials are x and (3 s^2 - 2) x: the sums agree."""
    tilt_x, tilt_y = 0.4, -0.9
    by_tilt = Microscope(300.0, 2.7, 0.1, beam_tilt_mrad=(tilt_x, tilt_y))
    scale = -2 * math.pi * 2.7e7 * by_tilt.wavelength_angstrom**2 * 1e-3 / 3
    x, y = scale * tilt_x, scale * tilt_y
    by_zernike = Microscope(300.0, 2.7, 0.1, odd_zernike=(2 * y, 2 * x, 0.0, y, x))
    expected, found = (aberration_phase(m, 15, 1.2) for m in (by_tilt, by_zernike))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_odd_aberrations_change_sign_with_the_frequency() -> None:
    """On the column x=0, where both signs are stored, opposite frequencies are conjugate."""
    microscope = Microscope(300.0, 2.7, 0.1, odd_zernike=(0.3, -2.0, 5.0, 1.0, 7.0, -4.0))
    phase = aberration_phase(microscope, 15, 1.2)
    assert phase is not None
    np.testing.assert_allclose(np.abs(phase), 1, atol=1e-6)
    np.testing.assert_allclose(phase[1:, 0], np.conj(phase[:0:-1, 0]), atol=1e-6)


def test_no_odd_aberrations_give_no_phase() -> None:
    """A microscope without tilt and odd terms costs nothing."""
    assert aberration_phase(Microscope(300.0, 2.7, 0.1, even_zernike=(1.0,)), 8, 1.0) is None


def test_taking_particles_takes_their_ctf() -> None:
    """Parameters of chosen particles give the CTFs of those particles, in that order."""
    parameters, microscope = make_parameters(), Microscope(300.0, 2.7, 0.1)
    chosen = np.array([3, 0])
    found = evaluate_ctf(parameters.take(chosen), microscope, 8, 2.0)
    np.testing.assert_array_equal(found, evaluate_ctf(parameters, microscope, 8, 2.0)[chosen])
    assert len(parameters.take(chosen)) == 2


@pytest.mark.parametrize(
    ("voltage", "contrast", "message"),
    [(0.0, 0.1, "voltage 0.0 kV"), (300.0, 1.2, "amplitude contrast 1.2; expected 0 to 1")],
)
def test_impossible_microscopes_are_refused(voltage: float, contrast: float, message: str) -> None:
    """Values outside physics say so when the object is built."""
    with pytest.raises(ValueError, match=message):
        Microscope(voltage, 2.7, contrast)
