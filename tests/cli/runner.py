"""Run a command in this process, as a script would, and read its JSON object."""

import json

from parmesan_engine.cli.main import main


def run(capsys, *arguments):
    """Return (exit status, JSON object or None, lines on stderr)."""
    capsys.readouterr()
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    lines = out.strip().splitlines()
    return status, json.loads(lines[-1]) if lines and "--json" in arguments else None, err.strip().splitlines()


def good(capsys, *arguments):
    """Return the JSON object of a command that must succeed quietly."""
    status, result, errors = run(capsys, *arguments, "--json")
    assert (status, errors) == (0, [])
    return result


def refused(capsys, *arguments):
    """Return the one line on stderr of a command that must fail by the user's fault."""
    status, result, errors = run(capsys, *arguments, "--json")
    assert (status, result, len(errors)) == (2, None, 1), (status, result, errors)
    assert errors[0].startswith("error: expected ") and "; got " in errors[0] and errors[0].count(";") >= 2
    return errors[0]
