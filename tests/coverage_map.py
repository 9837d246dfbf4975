"""Which test fails when a module is wrong that has no test file of its own name.

A module at src/cryofocus/ROOM/NAME.py is tested by tests/ROOM/test_NAME.py. Those that are not
stand here, under the test file that tests them with what they are for. `test_coverage_map.py`
holds the table to that: each module once, and only by a test that runs it.
"""

from __future__ import annotations

TESTED_IN: dict[str, tuple[str, ...]] = {
    "benchmark/test_assembly": ("benchmark/assembly_figures", "benchmark/assembly_tables"),
    "benchmark/test_parts": ("benchmark/choice", "benchmark/other_tables", "benchmark/words"),
    "benchmark/test_poses": ("benchmark/pose_tables",),
    "benchmark/test_run": (
        *("benchmark/cells", "benchmark/classify", "benchmark/draw_curves", "benchmark/figures"),
        *("benchmark/plan", "benchmark/slices", "benchmark/tables"),
    ),
    "cli/test_align_search": ("cli/align",),
    "cli/test_bad_input": ("errors",),
    "cli/test_analysis_commands": (
        *("api/analyses", "cli/covary", "cli/variance", "workflows/machine/progress_monitor"),
        *("report/analyses/variance", "report/analyses/differences"),
        *("report/drawing/section", "report/run/analyses"),
    ),
    "cli/test_commands": (
        *("cli/benchmark", "cli/classify", "cli/console", "cli/convert"),
        *(
            "cli/evaluate",
            "cli/failures",
            "cli/main",
            "cli/options",
            "cli/particles",
        ),
        *("cli/report", "cli/simulate", "cli/symmetry", "version"),
    ),
    "cli/test_doctor": ("workflows/machine/kernel_check", "workflows/self_check"),
    "cli/test_map_commands": ("cli/fsc", "cli/maps", "cli/mask"),
    "cli/test_settings_options": ("cli/command", "option", "settings"),
    "cli/test_relion_external": ("report/figures/logfile", "workflows/relion_job"),
    "consensus/noise/test_spectra": ("consensus/noise/power",),
    "consensus/test_consensus": ("consensus/image_model", "consensus/residuals"),
    "consensus/test_reconstruct": ("consensus/insertion",),
    "consensus/test_subtraction": ("consensus/residual_power",),
    "covariance/test_normal": ("covariance/particles",),
    "data/cistem/test_columns": (
        *("data/cistem/binary", "data/cistem/frealign", "data/cistem/text", "data/cistem/format"),
        *("data/formats", "data/grouping", "data/labels", "data/particle_table"),
    ),
    "data/cryosparc/test_table": (
        *("data/cryosparc/containers", "data/cryosparc/dataset", "data/cryosparc/fields"),
        *("data/cryosparc/format", "data/cryosparc/lz4_block", "data/cryosparc/optics"),
    ),
    "data/star/test_document": ("data/star/cells", "data/star/edit", "data/star/scan"),
    "data/test_damaged": ("data/plausible", "workflows/run/yaml_file"),
    "data/test_bad_particles": (
        *("data/foreign/compressed", "data/relion/meaning"),
        *("data/stack_check", "data/stack_paths"),
    ),
    "data/test_expansion": ("data/half_sets",),
    "data/test_images": ("data/resampling",),
    "data/test_other_kinds": ("data/relion/other_tables",),
    "data/test_mistaken_units": ("data/foreign/misspelt",),
    "data/test_mrc": ("data/volume",),
    "data/test_particles": (
        *("data/optics", "data/relion/columns", "data/relion/format", "data/relion/optics"),
        "data/relion/table",
    ),
    "execution/test_serial": ("execution/contract",),
    "inference/deviations/test_deviation": ("inference/deviations/focus",),
    "inference/deviations/test_em": (
        *("inference/comparison", "inference/cycles", "inference/deviations/comparison"),
        *("inference/deviations/likelihood", "inference/deviations/problem", "inference/driver"),
    ),
    "inference/deviations/test_sharded_statistics": (
        *("consensus/background", "consensus/half_grids"),
    ),
    "inference/factors/test_model": ("inference/factors/field_space", "inference/factors/problem"),
    "inference/mask2d/test_region_likelihood": ("inference/mask2d/white_images",),
    "inference/mask2d/test_strategy": ("inference/mask2d/comparison",),
    "inference/test_classifier": (
        *("consensus/ground", "consensus/resolution", "execution/monitor", "inference/settings"),
    ),
    "inference/test_other_device": ("placement",),
    "inference/test_strategies": (
        *("inference/deviations/mask3d", "inference/deviations/residual"),
        *("inference/deviations/subtract", "inference/mask2d/masked_maps"),
        "inference/references",
    ),
    "inference/test_support": ("inference/deviations/prior",),
    "kernels/test_compiler": ("kernels/_compiler",),
    "kernels/test_beads": ("kernels/_bead_loops",),
    "kernels/test_cuda_compiles": ("kernels/_cuda_loops", "kernels/_cuda_pose_loops"),
    "kernels/test_cuda_library": ("kernels/cuda_arrays", "kernels/cuda_lanes"),
    "kernels/test_select": ("kernels/gpu",),
    "kernels/test_slices": (
        *("kernels/_cpu_loops", "kernels/_vector", "kernels/contract", "kernels/cpu"),
        *("kernels/reference", "arrays"),
    ),
    "kernels/test_window": ("kernels/_window_loops",),
    "maths/test_ctf": ("units",),
    "maps/test_resolution": ("maths/shells",),
    "poses/test_references": (*("poses/bound", "poses/given_map", "poses/half_maps"),),
    "poses/test_refine": (
        "kernels/_pose_loops",
        "poses/likelihood",
        "poses/prior",
        "poses/reference",
        "poses/result",
    ),
    "poses/test_search": (
        *("poses/calibration", "poses/candidates", "poses/coarse"),
        *("poses/evidence", "poses/finer", "poses/scope"),
    ),
    "api/test_wording": ("logs",),
    "api/test_results": (
        *("report/figures/covary", "report/figures/variance", "workflows/covary/summary"),
    ),
    "report/test_deposit": ("workflows/deposit",),
    "report/test_napari_reader": ("api/napari_reader",),
    "report/analyses/test_charts": (
        *("report/analyses/covary_charts", "report/analyses/fsc_charts", "report/analyses/fsc"),
        "report/analyses/latent_charts",
    ),
    "report/drawing/test_surfaces": ("report/run/shown_maps", "report/run/surface_section"),
    "report/run/test_page": ("report/run/pictures", "report/run/planes"),
    "report/run/test_results": ("workflows/classify/tables",),
    "report/run/test_words": ("report/run/tables",),
    "report/test_figures": (
        *("report/drawing/style", "report/run/certainty"),
        *("report/figures/style", "report/figures/certainty"),
    ),
    "report/test_without_matplotlib": ("report/figures/plotting",),
    "report/drawing/test_sheet": ("report/figures/sheets",),
    "report/run/test_charts": ("report/drawing/chart", "report/run/masked_fsc"),
    "report/test_subtraction_figure": (
        "report/analyses/subtraction",
        "report/figures/power",
    ),
    "simulate/assembly/test_imaging": ("simulate/assembly/densities",),
    "simulate/assembly/test_specimens": ("simulate/assembly/settings",),
    "simulate/test_image_formation": ("simulate/acquisition", "simulate/settings"),
    "workflows/align/test_refine": ("poses/against_map", "poses/rounds"),
    "workflows/align/test_search": ("workflows/align/search_inputs",),
    "workflows/classify/test_new_strategy": ("inference/strategy",),
    "workflows/classify/test_rounds": ("poses/by_class",),
    "workflows/align/test_move": ("workflows/fit_record",),
    "workflows/classify/test_findings": (
        *("inference/result", "workflows/classify/collapse", "workflows/classify/verdict"),
    ),
    "workflows/classify/test_request": ("data/table_source",),
    "workflows/classify/test_run": (
        *("workflows/classify/inputs", "workflows/classify/monitor"),
        *("workflows/classify/outputs", "workflows/classify/record"),
    ),
    "workflows/covary/test_run": (
        *(
            "report/analyses/covary",
            "report/analyses/conditional",
            "report/analyses/joint_states",
            "workflows/covary/inputs",
            "workflows/covary/levels",
        ),
        "workflows/covary/particle_level",
        *("workflows/covary/record", "workflows/covary/tables"),
    ),
    "workflows/machine/test_cluster": ("workflows/machine/machine",),
    "workflows/machine/test_progress": ("workflows/machine/hardware", "workflows/run/log"),
    "workflows/run/test_directory": ("workflows/run/files", "workflows/run/lock"),
    "workflows/run/test_writing": ("data/atomic",),
    "workflows/simulate/test_assembly": ("workflows/simulate/assembly_tables",),
    "workflows/simulate/test_humanoid": ("workflows/simulate/images", "workflows/simulate/tables"),
    "workflows/subtract/test_run": (
        *("data/cistem/subtracted", "data/cryosparc/subtracted", "data/relion/subtracted"),
        *("workflows/subtract/density", "workflows/subtract/inputs"),
        "workflows/subtract/record",
    ),
    "workflows/test_convert": ("data/cistem/new", "data/cryosparc/new", "data/relion/new"),
    "workflows/test_evaluate": ("data/relion/rows", "workflows/state_groups"),
    "workflows/test_expand": (
        *("data/abilities", "data/relion/copies", "workflows/collapse"),
        "workflows/run/new_names",
    ),
    "workflows/test_found_region": ("inference/variability/kept",),
    "test_calls": ("synonyms",),
    "workflows/test_fsc": (
        "workflows/fsc_xml",
        *("data/grid_map", "report/figures/fsc", "workflows/fsc_table"),
        "workflows/fsc_directions",
    ),
    "workflows/test_new_format": ("data/particle_format",),
    "workflows/test_placed_masks": ("data/shapes/markers",),
    "workflows/classify/test_empty_region": ("inference/region_content",),
    "workflows/variance/test_run": (
        "inference/variability/variability",
        *("workflows/variance/focus_proposal", "workflows/variance/inputs", "workflows/run/poses"),
        *(
            "workflows/variance/maps",
            "workflows/variance/outputs",
            "workflows/variance/result",
            "workflows/variance/regions",
        ),
    ),
}
"""Test files, and the modules each of them tests besides the one it is named after."""
