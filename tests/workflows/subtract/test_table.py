"""The table of a subtracted set says where its images come from, or that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryofocus.errors import ParticleError
from cryofocus.workflows.subtract.table import revert
from particle_files import cs_rows, par_text, save_cs


def test_intact_tables_of_other_programs_lead_nowhere(tmp_path: Path) -> None:
    """A set that was never subtracted is refused, and so is a format with no place for it."""
    table = save_cs(tmp_path / "particles.cs", cs_rows())
    with pytest.raises(ParticleError, match="no field cryofocus_intact/blob_path, so nothing"):
        revert(table, tmp_path / "intact.cs")
    frealign = tmp_path / "particles.par"
    frealign.write_text(par_text())
    with pytest.raises(ParticleError, match=r"cryofocus convert .*par -o particles\.star"):
        revert(frealign, tmp_path / "intact.par")
