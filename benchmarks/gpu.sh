#!/usr/bin/env bash
# What one GPU makes of vcl, in at most eight minutes of an H100: the tests that need one, the tests of sessions and runs on
# it, the tables of `vcl bench`, and one session of f-NeRV3 on Bunny at 720x1280.
#
#   benchmarks/gpu.sh [OUT]      writes OUT/gpu.json and OUT/gpu.log; OUT is benchmarks/gpu by default
#
#   GPU_SECONDS=480              begins no part that is not over by then, and stops one that takes longer
#   WHEELS=DIR                   installs the wheels of a folder, whatever they are, instead of asking the package index
#   SMALL=1                      the same parts at a small size on any device, to try the script itself
#
# A part that fails or takes too long is told so in gpu.json; the others still run.
set -uo pipefail
cd "$(dirname "$0")/.."
out=$(realpath -m "${1:-benchmarks/gpu}")
seconds=${GPU_SECONDS:-480}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/tables"
: >"$out/gpu.log"
export WANDB_MODE=disabled

# part NAME LIMIT COMMAND...: one part, of LIMIT seconds at most.
part() {
    local name=$1 limit=$2 began=$SECONDS status
    shift 2
    local left=$((seconds - SECONDS))
    [[ -z ${SMALL:-} ]] || limit=$left  # A small machine may be slow.
    if ((left < 5)); then
        printf '%s\tskipped\t0\n' "$name" >>"$work/parts.tsv"
        return
    fi
    printf '\n== %s: %s\n' "$name" "$*" | tee -a "$out/gpu.log"
    # As Ctrl-C: tests then say what failed until then.
    timeout --signal=INT --kill-after=15 $((limit < left ? limit : left)) "$@" >>"$out/gpu.log" 2>&1
    status=$?
    printf '%s\t%s\t%s\n' "$name" "$status" $((SECONDS - began)) | tee -a "$work/parts.tsv"
}

# An environment beside the machine's own packages, whose torch it uses if there is one.
install() {
    local pip=("$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    python3 -m venv --system-site-packages "$work/venv" || return
    if [[ -n ${WHEELS:-} ]]; then
        "${pip[@]}" --no-index --no-deps "$WHEELS"/*.whl
    else
        "${pip[@]}" ".[samples]" pytest pytest-cov pytest-randomly pytest-xdist pytorch-msssim py7zr
    fi
}

export PYTHONPATH=$PWD
if [[ -x .venv/bin/python ]]; then
    python=$PWD/.venv/bin/python
else
    install >>"$out/gpu.log" 2>&1 || { tail -5 "$out/gpu.log"; exit 1; }
    python=$work/venv/bin/python
fi
vcl=("$python" -m vcl)
pytest=("$python" -m pytest -v -p no:cacheprovider -p no:benchmark)

# The recipe of the fastest prototype on an H100: the fast one's own rate was never tried at this size.
bunny=(experiments/bunny/pfnr_block2.yaml train.recipe=fast train.lr=2e-3 'train.betas=[0.5,0.999]' train.score_rate=1
    matrix.upper=false wandb.mode=disabled)
full=(experiments/speed/pfnr_720.yaml train.precision=auto)
small=(experiments/recipe/pfnr.yaml train.precision=float32)
tests=(tests/kernels tests/layers tests/metrics tests/backbones tests/sessions tests/run)
workers=12 epochs=150 rounds=3 decoding=bfloat16
if [[ -n ${SMALL:-} ]]; then
    bunny+=('stream.size=[80,160]' stream.frames=4 backbone.channels=16 train.threads=1)
    full+=('stream.size=[80,160]' backbone.channels=16 train.threads=1)
    small+=('stream.size=[20,40]')
    tests=(tests/sessions/test_device.py)
    workers=1 epochs=2 rounds=1 decoding=float32 # Many processors emulate bfloat16.
fi
device=$("$python" -c 'from vcl.device import choose_device; print(choose_device("auto"))')

part gpu_tests 60 "${pytest[@]}" -m gpu --junitxml "$work/gpu_tests.xml"
part bunny 260 "${vcl[@]}" run "${bunny[@]}" train.epochs=$epochs --out "$work/bunny"
bench() { part "$1" 40 "${vcl[@]}" bench "${@:2}" --rounds $rounds --save "$work/tables"; }
bench step_1 step "${full[@]}" train.batch=1
bench step_4 step "${full[@]}" train.batch=4
bench step_small step "${small[@]}"
bench step_1_no_graph step "${full[@]}" train.batch=1 train.graph=false
bench decode decode "${full[@]}" matrix.precision=$decoding
bench evaluate evaluate "${full[@]}"
bench mask mask "${full[@]}"
shared=(experiments/recipe/pfnr.yaml stream.benchmark=bunny 'stream.videos=[bunny]' wandb.mode=disabled train.epochs=$epochs)
[[ -z ${SMALL:-} ]] || shared+=('stream.size=[20,40]' stream.frames=4)
part alone 40 "${vcl[@]}" run "${shared[@]}" --out "$work/alone"
printf 'config: %s\naxes: {seed: {1: [train.seed=1], 2: [train.seed=2], 3: [train.seed=3], 4: [train.seed=4]}}\n' \
    "$PWD/experiments/recipe/pfnr.yaml" >"$work/shared.grid.yaml"
part shared 60 "${vcl[@]}" grid "$work/shared.grid.yaml" "${shared[@]:1}" --jobs 4 --out "$work/shared"
part promise 150 env VCL_TEST_DEVICE="$device" OMP_NUM_THREADS=1 "${pytest[@]}" -m "not slow" -n "$workers" \
    --junitxml "$work/promise.xml" "${tests[@]}"
for config in single_nerv_s single_nerv_l wsn pfnr_block2; do
    [[ -n ${SMALL:-} ]] || part "plan_$config" 40 "${vcl[@]}" plan "experiments/bunny/$config.yaml" --save "$work/tables"
done

"$python" benchmarks/gpu_result.py "$work" "$out/gpu.json" && echo "$out/gpu.json"
