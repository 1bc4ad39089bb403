"""Where the files of a Hugging Face model are: a folder, or the hub's copy on this machine. Only settings and safetensors are read."""

import hashlib
from pathlib import Path
from types import ModuleType

from parmesan_engine.errors import FormatError, UnknownNameError, VersionError

SETTINGS = ("config.json", "preprocessor_config.json")
FILES = [*SETTINGS, "model*.safetensors", "model.safetensors.index.json"]
INSTALL = 'pip install "transformers>=5,<6"'


def transformers() -> ModuleType:
    """Return the package, which is optional. Raises UnknownNameError where it is not installed."""
    try:
        import transformers as package
    except ImportError as error:
        raise UnknownNameError("the package transformers, which backbones need", f"none installed ({error})", INSTALL) from error
    return package


def find(model: str, revision: str) -> Path:
    """Return the folder of a model; one of the hub is downloaded unless this machine has it.

    model: a folder, or a name of the hub; revision: "" or, of a folder, its fingerprint, of the hub a commit, tag or branch.
    Raises UnknownNameError, FormatError, VersionError.
    """
    place = Path(model).expanduser()
    if not place.is_dir():
        if place.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
            raise UnknownNameError("the folder of a model, or its name on the hub as facebook/dinov2-small", repr(model),
                                   "correct model=, or put the folder there")
        return _of_hub(model, revision)
    for name in ("config.json", "model*.safetensors"):
        if not any(place.glob(name)):
            raise FormatError(f"a model's folder with config.json and model.safetensors, {place}", f"no {name}",
                              "download the whole model, weights as safetensors (no pickle is read)")
    if revision and revision != fingerprint(place):
        raise VersionError(f"the model with fingerprint {revision} in {place}, with which the memory was made", fingerprint(place),
                           "put the old files back, or learn again in a new project")
    return place.resolve()


def fingerprint(folder: Path) -> str:
    """Return 16 hex digits over the names and contents of a model's files."""
    digest = hashlib.blake2b(digest_size=8)
    for pattern in FILES:
        for file in sorted(folder.glob(pattern)):
            digest.update(f"{file.name} {file.stat().st_size} ".encode())
            with file.open("rb") as opened:
                while block := opened.read(1 << 24):
                    digest.update(block)
    return digest.hexdigest()


def _of_hub(model: str, revision: str) -> Path:
    """Return the hub's copy on this machine, downloaded where there is none. Its folder is named by the commit."""
    transformers()
    from huggingface_hub import snapshot_download

    asked = {"revision": revision or None, "allow_patterns": FILES}
    try:
        try:
            found = Path(snapshot_download(model, local_files_only=True, **asked))
            if any(found.glob("model*.safetensors")):
                return found
        except OSError:
            pass  # nothing here yet
        return Path(snapshot_download(model, **asked))
    except (OSError, ValueError, RuntimeError) as error:  # no network, no such model, its licence was not accepted, an odd name
        raise UnknownNameError(
            f"the model {model}{revision and ' at '}{revision} on this machine or on the hub",
            f"{type(error).__name__}: {' '.join(str(error).split())[:160]}",
            f"where there is a network: hf download {model} --local-dir FOLDER (DINOv3: accept its licence on huggingface.co and "
            "hf auth login first); bring FOLDER here and give model=FOLDER") from error
