"""Images and maps of the ribosome."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.maths.fourier import forward_2d, forward_3d, hermitian_weights, inverse_2d
from cryofocus.maths.grids import frequency_grid_2d
from cryofocus.maths.rotations import rotation_from_euler
from cryofocus.simulate.assembly.densities import Densities
from cryofocus.simulate.assembly.imaging import Imaging, colour, normalise, prepare
from cryofocus.simulate.assembly.ribosome import LARGE_PARTS, PARTS, read_motion
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.specimens import CENTRAL_RATCHET
from cryofocus.simulate.assembly.states import REGIONS, all_states, part_amplitudes
from cryofocus.simulate.image_formation import chunk_ctf
from cryofocus.simulate.projection import project_parts

# An odd box, of 10 Å pixels.
SETTINGS = AssemblySettings(particles=96, seed=2, box=37, junk_share=0.0)
ALL = slice(0, SETTINGS.particles)


@pytest.fixture(scope="module")
def imaging() -> Imaging:
    """Few particles, none of them junk."""
    return prepare(SETTINGS)


@pytest.fixture(scope="module")
def densities(imaging: Imaging) -> Densities:
    """The maps of the same set."""
    return Densities(imaging)


def test_images_correlate_with_their_projections_as_asked(imaging: Imaging) -> None:
    """On average by 0.27, with the true projection times the CTF."""
    signal = imaging.shown(imaging.project(ALL), ALL)
    images = imaging.form(signal, ALL)
    clean = inverse_2d(signal * chunk_ctf(imaging.specimens, imaging.camera, ALL), 37)
    pairs = zip(images, clean, strict=True)
    correlation = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]
    assert np.mean(correlation) == pytest.approx(0.27, abs=0.015)


def test_noise_is_coloured_and_has_the_variance_it_says(imaging: Imaging) -> None:
    """Without signal every coefficient has its variance; coarse ones have more."""
    nothing = np.zeros((96, 37, 19), np.complex64)
    half = forward_2d(imaging.form(nothing, ALL))
    variance = imaging.noise_variance(chunk_ctf(imaging.specimens, imaging.camera, ALL))
    ratio = (np.abs(half) ** 2 / variance).mean(axis=0)
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    assert np.abs(ratio[1:, 1:] - 1).max() < 0.7
    tint = colour(imaging.camera)
    assert np.sum(tint**2 * hermitian_weights(37)) / 37**2 == pytest.approx(1, rel=1e-5)
    assert tint[0, 1] > 1.4 * tint[18, 18]


def test_extracted_images_are_dark_and_normalised(imaging: Imaging) -> None:
    """Backgrounds have mean 0 and deviation 1, and the particle is darker than they are."""
    signal = imaging.shown(imaging.project(ALL), ALL)
    images = normalise(imaging.form(signal, ALL))
    axis = np.arange(37) - 18
    radius = np.hypot(axis[:, None], axis)
    background = images[:, radius > 0.43 * 37]
    assert np.abs(background.mean(axis=1)).max() < 1e-5
    np.testing.assert_allclose(background.std(axis=1), 1, rtol=1e-5)
    clean = inverse_2d(signal, 37)
    assert np.mean(images * clean) < 0


def test_a_map_projects_to_the_images(imaging: Imaging, densities: Densities) -> None:
    """The central slice of a map's transform is the projection of its part."""
    n, still = 1, imaging.specimens
    resting = replace(
        still,
        rotation=np.repeat(rotation_from_euler(np.zeros((n, 3))), len(still), axis=0),
        shift_angstrom=np.zeros((len(still), 2)),
        ratchet_degrees=np.full(len(still), CENTRAL_RATCHET * read_motion()["body"].angle_degrees),
        swing_degrees=np.zeros(len(still)),
    )
    parts = replace(imaging, specimens=resting).project(slice(0, n))[0]
    for number, (part, projection) in enumerate(zip(PARTS, parts, strict=True)):
        expected = forward_3d(densities.central(np.eye(len(PARTS))[number]))[0]
        error = np.linalg.norm(expected - projection) / np.linalg.norm(projection)
        assert error < 1e-4, part


def test_maps_have_negative_surroundings(densities: Densities) -> None:
    """Nothing coarser than the particle is left of the density, as in maps of real particles."""
    whole = densities.central(np.ones(len(PARTS)))
    assert abs(whole.mean()) < 1e-6 * whole.max()
    inside = densities.mask(REGIONS[-1]) + densities.mask(REGIONS[6]) > 0
    assert whole[inside].mean() > 5 * abs(whole[~inside].mean())
    assert whole[~inside].mean() < 0


def test_masks_hold_their_region(imaging: Imaging, densities: Densities) -> None:
    """Nearly all beads of a static region lie in its mask, which is no larger than it must be."""
    pixel = imaging.camera.pixel_size_angstrom
    for region in REGIONS[:-1]:
        mask, beads = densities.mask(region), region.beads(imaging.ribosome)
        x, y, z = np.rint(beads.centre_angstrom / pixel).astype(int).T + 18
        assert mask[z, y, x].mean() > 0.6
        assert 0.3 < mask.sum() * pixel**3 / (beads.mass_kda.sum() * 1000) < 8


def test_the_average_differs_from_the_middle_only_where_something_moves(
    densities: Densities,
) -> None:
    """Parts of the large subunit are the same in both, those of the small one smeared."""
    large = np.array([float(part in LARGE_PARTS) for part in PARTS])
    np.testing.assert_array_equal(densities.average(large), densities.central(large))
    assert densities.average(1 - large).max() < 0.95 * densities.central(1 - large).max()


def test_states_are_sums_of_their_parts(densities: Densities) -> None:
    """Each map is that of what the state has, plane by plane."""
    maps = densities.states()
    for amplitudes, planes in zip(part_amplitudes(all_states()[0]), maps, strict=True):
        density, expected = np.concatenate(list(planes)), densities.central(amplitudes)
        np.testing.assert_allclose(density, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize(("box", "pixel_size"), [(37, None), (96, 4.0)])
def test_what_particles_show_is_projected_at_once(box: int, pixel_size: float | None) -> None:
    """Images without noise are the sums of the parts, each projected by itself, junk included."""
    update = {"box": box, "pixel_size_angstrom": pixel_size, "particles": 12, "junk_share": 0.5}
    made = prepare(SETTINGS.model_copy(update=update))
    rows = slice(2, 12)
    expected = made.shown(made.project(rows), rows)
    found = made.signal(rows)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_fall_off_of_the_density_is_in_the_beads(imaging: Imaging) -> None:
    """Wider beads are beads whose transforms are multiplied by the fall-off afterwards."""
    camera, b_factor = imaging.camera, SETTINGS.b_factor_square_angstrom
    sampling = np.eye(3)[None], np.zeros((1, 2)), camera.box, camera.pixel_size_angstrom
    fx, fy = frequency_grid_2d(camera.box, camera.pixel_size_angstrom)
    sharp = project_parts(imaging.ribosome, *sampling)
    expected = sharp * np.exp(-b_factor * (fx**2 + fy**2) / 4)
    found = project_parts(imaging.scattering, *sampling)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
