#!/usr/bin/env python
"""Why did it say so?  python tools/explain.py MODEL RECORD attribution.html --class LAD

Writes a page with the ECG on paper and, behind the leads, where the networks look for the class (the most probable one
if none is given): the more blue, the more a stretch speaks for it. Besides: the probability if the P waves, the QRS
or the T waves were a healthy heart's, the probability with each lead zero, and how the squeeze-and-excite units
weigh their channels. It says what moved the networks, not what is true.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.classes import abbreviation, find_class
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.record import LEADS, Record, read_record
from ecg.model.compute import pick_compute
from team_code import Model, load_model, predict, run_recordings


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="a model folder")
    arguments.add_argument("record", type=Path, help="a header, or a signal file that has one beside it")
    arguments.add_argument("page", type=Path, help="the page to write")
    arguments.add_argument("--class", dest="class_", help="its abbreviation or code (the most probable class)")
    given = arguments.parse()
    model = load_model(given.model, compute=pick_compute("cpu", float32=True))
    record = read_record(given.record.with_suffix(".hea"))
    explain(model, record, given.class_, given.page)
    print(given.page)
    return ALL_WELL


def explain(model: Model, record: Record, wanted: str | None, page: Path) -> None:
    from ecg.data.preprocessing import network_input
    from ecg.explanation import attribution
    from ecg.explanation.counterfactual import HEARTS, WAVES, beats
    from ecg.report.page import write_page
    from ecg.report.paper import as_address, draw_paper, record_title

    recipe, networks = model.recipe, model.networks
    seen, patient = network_input(record, recipe)
    labels, scores = run_recordings(model, [(seen, patient)])
    k = int(np.argmax(scores[0])) if wanted is None else find_class(model.classes, wanted)
    names = [abbreviation(code) for code in model.classes]
    views = attribution.with_each_lead_zero(record, recipe)
    p = predict(networks, views, np.arange(1 + len(LEADS)), recipe, model.compute).mean(axis=0)[:, k]
    exchanged = attribution.with_each_wave_normal(record, recipe)
    normal = predict(networks, exchanged, np.arange(1, len(exchanged.lengths)), recipe, model.compute)
    normal = normal.mean(axis=0)[:, k].reshape(HEARTS, len(WAVES)).T
    relevant = attribution.relevance(networks, record, k, recipe)
    shade = attribution.shading(relevant, record.header.rate)
    by_lead = np.maximum(relevant, 0).sum(axis=1)
    order = np.argsort(-scores[0])
    write_page(
        page,
        "explanation.html",
        name=names[k],
        record=record.header.name,
        picture=as_address(draw_paper(record, record_title(record.header), relevance=shade)),
        scores=[(names[i], scores[0, i], bool(labels[0, i])) for i in order if labels[0, i] or i == k],
        probability=p[0],
        waves=[(wave, p.min(), p.mean(), p.max()) for wave, p in zip(WAVES, normal)],
        hearts=HEARTS,
        beating=len(beats(record)) > 0,
        leads=[
            {"name": lead, "state": state, "share": share, "without": without}
            for lead, state, share, without in zip(
                LEADS, lead_states(record, seen), by_lead / max(by_lead.sum(), 1e-12), p[1:]
            )
        ],
        units=[np.sort(weights)[::-1].tolist() for weights in attribution.unit_weights(networks[0], record, recipe)],
    )


def lead_states(record: Record, seen: np.ndarray) -> list[str]:
    """What is to be said of each lead of which the networks saw ``seen``; nothing of one that is in the recording."""
    return ["" if there else "computed" if row.any() else "missing" for there, row in zip(record.mask, seen)]


if __name__ == "__main__":
    run(main)
