"""The rules of the house: imports point down, the engine knows no user interface, no file grows too long."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "parmesan_engine"
LONGEST = 400
# Rows from the top down; a module imports only from rows below its own (or from its own room).
LAYERS = [
    {"__main__"},
    {"cli"},
    {"bench"},
    {"compare", "continual", "lessons"},
    {"methods"},
    {"project"},
    {"pretrain"},
    {"insight"},
    {"predictor"},
    {"memory", "transduction", "message_passing", "metric", "calibration", "tables", "resample", "projection", "gestures", "evaluation",
     "synthetic"},
    {"io", "encoders", "search", "render", "regions"},
    {"types", "registry", "jobs"},
    {"device"},
    {"errors"},
]
ROW = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
USER_INTERFACE = {"streamlit", "plotly", "pages", "app"}
DRAWS = {name: {"plotly"} for name in ("bench/chart.py", "compare/chart.py", "continual/figures.py", "continual/report.py",
                                   "continual/toy_figures.py")}


def _imports(path: Path) -> set[str]:
    """Return the dotted names of all modules that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _room(path: Path) -> str:
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


ENGINE_FILES = sorted(p for p in ENGINE.rglob("*.py") if p != ENGINE / "__init__.py")
ALL_FILES = [p for folder in ("parmesan_engine", "pages", "tests") for p in sorted((ROOT / folder).rglob("*.py"))] + [ROOT / "app.py"]


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda p: str(p.relative_to(ENGINE)))
def test_imports_point_down(path):
    own = _room(path)
    assert own in ROW, f"{own} has no place in LAYERS"
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "parmesan_engine" or len(parts) < 2 or parts[1] not in ROW or parts[1] == own:
            continue
        assert ROW[parts[1]] > ROW[own], f"{path.relative_to(ROOT)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda p: str(p.relative_to(ENGINE)))
def test_engine_knows_no_user_interface(path):
    allowed = DRAWS.get(path.relative_to(ENGINE).as_posix(), set())
    assert not {name.split(".")[0] for name in _imports(path)} & USER_INTERFACE - allowed


@pytest.mark.parametrize("path", sorted((ROOT / "pages").rglob("*.py")) + [ROOT / "app.py"], ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_touch_session_state_in_one_file(path):
    if path.name != "_state.py":
        assert "session_state" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_over_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda p: str(p.relative_to(ENGINE)))
def test_no_pickle_and_no_evaluation_of_data(path):
    text = path.read_text(encoding="utf-8")
    assert not {"pickle", "shelve", "marshal", "dill", "joblib"} & {name.split(".")[0] for name in _imports(path)}
    calls = {node.func.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not calls & {"eval", "exec", "compile", "__import__"}


def test_a_wrong_import_would_be_seen(tmp_path):
    file = tmp_path / "wrong.py"
    file.write_text("def f():\n    from parmesan_engine.project import Project\n    return Project\n")
    assert "parmesan_engine.project.Project" in _imports(file)
