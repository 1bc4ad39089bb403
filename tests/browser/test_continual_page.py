"""Learning step by step as a person watches it: nothing is set up, curves come, pictures can be seen, a reload loses nothing."""

import re

from playwright.sync_api import expect

from tests.browser.surface import PATIENCE

LONG = 1000 * PATIENCE * 4  # a few methods, one after the other, on a busy machine


def test_curves_grow_and_stay_after_a_reload(second):  # whose console may complain: Streamlit asks in vain below a deep link
    page = second.page
    page.get_by_role("link", name="Continual").click()
    page.get_by_role("radiogroup", name="Samples").get_by_role("radio", name="Signals").click()
    chosen = page.get_by_test_id("stMultiSelect")
    for name in ("parmesan refit=false", "parmesan", "linear finetune", "linear replay"):  # quicker without
        button = chosen.get_by_role("button", name=re.compile(rf"{name}(?! refit)"))
        button.first.click()
        expect(button).to_have_count(0)
    page.get_by_role("button", name="Run", exact=True).click()
    plots = page.locator(".js-plotly-plot")
    expect(plots.first).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Report")).to_be_visible(timeout=LONG)
    expect(plots).to_have_count(2)
    names = page.locator(".js-plotly-plot .annotation-text")
    assert {text.split()[-1] for text in names.all_text_contents()} >= {"knn", "nearest_class_mean"}
    show = page.get_by_role("radiogroup", name="Show")
    show.get_by_role("radio", name="Pictures").click()
    pictures = page.locator(".strip img")
    expect(pictures).to_have_count(2 + 3 * 3, timeout=LONG)
    assert all(picture.evaluate("one => one.naturalWidth > 50") for picture in pictures.all())
    page.get_by_role("button", name="Unlearn a step").click()
    page.get_by_role("button", name="Unlearn and watch").click()
    expect(page.get_by_text("without as it is").first).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Report")).to_be_visible(timeout=LONG)
    page.reload()
    expect(plots).to_have_count(2, timeout=LONG)
