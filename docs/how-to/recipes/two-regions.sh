#!/usr/bin/env bash
# Which regions of an assembling ribosome vary together: ten classes by a projected sphere of 30 Å,
# around two regions in turn, and over the classes the contents of five regions, of which two have
# the shape of a model and one is constant. docs/how-to/two-regions.md explains every step.
#
#   bash two-regions.sh FOLDER                 13 minutes of processor time
#   PARTICLES=20000 BOX=96 bash two-regions.sh FOLDER
#
# For particles of your own, replace the first command, the spheres and the models.
set -euo pipefail
PARTICLES=${PARTICLES:-3000} BOX=${BOX:-48} CLASSES=${CLASSES:-10} CYCLES=${CYCLES:-100}
SEEDS=${SEEDS:-1 2 3}
mkdir -p "$1"
cd "$1"

cryofocus simulate assembly --particles "$PARTICLES" --box "$BOX" -o set

# The two places to focus on, and a place where nothing varies: x, y, z and radius in Å.
protuberance=112,130,155,30
stalk=154,128,234,30
base=220,140,148,30

# Five regions: three spheres, two by the shape of a model.
map=set/maps/state25.mrc
cryofocus mask sphere "$protuberance" --like $map -o protuberance.mrc
cryofocus mask sphere "$stalk" --like $map -o stalk.mrc
cryofocus mask sphere "$base" --like $map -o base.mrc
cryofocus mask model set/models/bridge.cif --like $map -o bridge.mrc
cryofocus mask model set/models/l16.cif --like $map -o l16.mrc
regions="protuberance=protuberance.mrc stalk=stalk.mrc bridge=bridge.mrc l16=l16.mrc base=base.mrc"

# Around each place, runs from independent random starts, and what varies together over their
# classes.
for place in protuberance stalk; do
  runs=""
  for seed in $SEEDS; do
    cryofocus classify set/particles.star --strategy mask2d --focus "${!place}" \
      --classes "$CLASSES" --cycles "$CYCLES" --runs 1 --seed "$seed" --max-resolution 24 \
      -o "around_$place$seed"
    runs+=" around_$place$seed"
  done
  cryofocus covary $runs --regions $regions --perfect $map -o "together_$place"
done

# The same by particle, without classes.
cryofocus covary set/particles.star --regions $regions -o together_by_particle
