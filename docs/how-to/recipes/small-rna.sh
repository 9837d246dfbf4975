#!/usr/bin/env bash
# A small RNA on a ribosome: global classes whose poses follow, one pose per particle out of them,
# and classes of the RNA alone, by a projected sphere of 30 Å at fixed poses. Then what differs in
# both, side by side, the resolution of what was found, and a model docked into it.
# docs/how-to/small-rna.md explains every step.
#
#   bash small-rna.sh FOLDER                   a few minutes on two cores
#   PARTICLES=20000 BOX=96 GLOBAL_CLASSES=8 FOCUSED_CYCLES=500 bash small-rna.sh FOLDER
#
# For particles of your own, replace the first command, the sphere and the models.
set -euo pipefail
PARTICLES=${PARTICLES:-3000} BOX=${BOX:-48}
GLOBAL_CLASSES=${GLOBAL_CLASSES:-4} GLOBAL_CYCLES=${GLOBAL_CYCLES:-50}
FOCUSED_CLASSES=${FOCUSED_CLASSES:-4} FOCUSED_CYCLES=${FOCUSED_CYCLES:-100}
mkdir -p "$1"
cd "$1"

cryofocus simulate assembly --particles "$PARTICLES" --box "$BOX" --focus-region trna -o set
site=154,175,179,30
rna=154,175,179,46

# The particle, and the part of it that is the same in all classes: the scaffold.
cryofocus reconstruct set/particles.star -o consensus.mrc
cryofocus mask threshold consensus.mrc --sigma 2 --lowpass 30 --extend 10 --largest-component -o particle.mrc
cryofocus mask model set/models/core.cif --like consensus.mrc -o scaffold.mrc

# Global classes: poses follow their class, and class maps are brought back onto the scaffold every
# ten cycles. Of the poses that a particle had, the best stays.
cryofocus classify set/particles.star --strategy global --solvent-mask particle.mrc \
  --classes "$GLOBAL_CLASSES" --cycles "$GLOBAL_CYCLES" --refine-poses 10 \
  --scaffold scaffold.mrc --scaffold-every 10 --runs 1 -o global
cryofocus align combine global -o combined.star

# Classes of the site, at these poses; for each a map of as many particles drawn without focus.
cryofocus classify combined.star --datadir set --strategy mask2d --focus $site --classes "$FOCUSED_CLASSES" \
  --cycles "$FOCUSED_CYCLES" --runs 1 --max-resolution 20 --control-maps -o focused

# What differs between the classes, merged: global and focused, on one scale.
cryofocus diffmap global --against pairs -o global/differences
cryofocus diffmap focused --against pairs --beside global/differences -o focused/differences

# How far to trust the map of a class, in every direction and place.
cryofocus fsc focused/class001_half1.mrc focused/class001_half2.mrc --mask particle.mrc \
  --directional --local -o focused/resolution

# The model, from where it is, docked into what the site's classes differ by.
cryofocus mask sphere $rna --like consensus.mrc -o rna.mrc
cryofocus fit set/models/trna.cif --to focused/differences/merged.mrc --mask rna.mrc --local \
  --max-resolution 20 -o docked.cif

cryofocus report focused
cryofocus evaluate focused/particles.star set/truth.star --group set/states.csv:trna
