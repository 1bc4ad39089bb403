"""The Export page in a real browser: tick, run, download, and open the files with readers that are not ours."""

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from pycocotools import mask as coco
from shapely.geometry import shape


def test_export_from_the_page_and_open_it_elsewhere(surface):
    page = surface.page
    page.get_by_role("link", name="Export").click()
    go = page.get_by_role("button", name=re.compile("Export [0-9]+ samples"))
    go.wait_for()
    for text in ("COCO", "GeoJSON"):
        box = page.get_by_role("checkbox", name=text)
        box.focus()
        page.keyboard.press("Space")  # by keyboard, as every control must be
        page.get_by_role("checkbox", name=text, checked=True).wait_for()
    page.get_by_text("Smallest object").wait_for()
    go.click()
    page.get_by_text("made by version").wait_for(timeout=120_000)
    reply = page.request.get(page.get_by_role("link", name="Download").first.evaluate("link => link.href"))
    assert reply.ok and reply.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(BytesIO(reply.body())) as packed:
        about = json.loads(packed.read("export.json"))
        annotations = json.loads(packed.read("coco.json"))["annotations"]
        for one in about["samples"]:
            (height, width), stem = one["shape"], Path(one["name"]).stem
            assert Image.open(BytesIO(packed.read(f"labels/{stem}.png"))).size == (width, height)
            outlines = json.loads(packed.read(f"outlines/{stem}.geojson"))["features"]
            assert outlines and all(shape(feature["geometry"]).is_valid for feature in outlines)
    assert annotations and all(coco.area(a["segmentation"]) == a["area"] for a in annotations)
