"""Labels and units as laboratories and monitors write them."""

import pytest

from becalm_ingest.formats.signals import LABELS, factor, parse_choice, recognise, unit_of
from becalm_protocol.errors import ConfigError
from becalm_protocol.events import SignalKind

ECG, RESPIRATION, SKIN, RR = SignalKind.ECG, SignalKind.RESPIRATION, SignalKind.SKIN_CONDUCTANCE, SignalKind.RR


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("ECG", ECG), ("EKG", ECG), ("II", ECG), ("II,", ECG), ("MLII", ECG), ("Lead II", ECG), ("ECG II", ECG),
        ("ECG_LL-RA", ECG), ("ECG1-ECG2", ECG), ("V5", ECG), ("aVR", ECG), ("I", ECG), ("EKG Left", ECG),
        ("RESP", RESPIRATION), ("Resp", RESPIRATION), ("RESP,", RESPIRATION), ("rsp", RESPIRATION),
        ("Resp oro-nasal", RESPIRATION), ("THOR RES", RESPIRATION), ("ABDO RES", RESPIRATION), ("Thorax", RESPIRATION),
        ("Respiration Belt", RESPIRATION), ("Force", RESPIRATION), ("Airflow", RESPIRATION),
        ("EDA", SKIN), ("GSR", SKIN), ("SC", SKIN), ("Skin Conductance", SKIN), ("GSR_Skin_Conductance", SKIN),
        ("EDA100C", SKIN), ("RR", RR), ("RR interval", RR), ("IBI", RR), ("RR-interval [ms]", RR),
        ("EEG Fpz-Cz", None), ("SpO2", None), ("PLETH", None), ("Temp rectal", None), ("EMG submental", None),
        ("Respiration Rate", None), ("Event marker", None), ("Status", None), ("Vigilance", None), ("PAP", None),
        ("SCx", None), ("IIb", None), ("", None), ("Pressure", None), ("Iris", None), ("VPG", None),
    ],
)  # fmt: skip
def test_the_kind_of_a_label(label: str, kind: SignalKind | None) -> None:
    told = recognise(label)
    assert (told[0] if told else None) is kind


def test_lead_two_comes_before_the_others() -> None:
    ranks = [told[1] for label in ("II", "ECG 1", "I", "V5") if (told := recognise(label)) is not None]
    assert ranks == sorted(set(ranks))
    assert max(ranks) < len(LABELS)


@pytest.mark.parametrize(
    ("kind", "unit", "expected"),
    [
        (ECG, "mV", 1_000.0), (ECG, "uV", 1.0), (ECG, "\u00b5V", 1.0), (ECG, "\u03bcV", 1.0), (ECG, "microvolts", 1.0),
        (ECG, "V", 1e6), (ECG, "nV", 1e-3), (ECG, "", None), (ECG, "ADU", None), (ECG, "mmHg", None),
        (SKIN, "uS", 1.0), (SKIN, "\u00b5S", 1.0), (SKIN, "microsiemens", 1.0), (SKIN, "umho", 1.0), (SKIN, "nS", 1e-3),
        (SKIN, "mS", 1e3), (SKIN, "S", 1e6), (SKIN, "kOhm", None), (SKIN, "", None),
        (RESPIRATION, "%", 1.0), (RESPIRATION, "", 1.0), (RR, "ms", 1.0), (RR, "s", 1e3), (RR, "", None),
    ],
)  # fmt: skip
def test_units_become_ours(kind: SignalKind, unit: str, expected: float | None) -> None:
    assert factor(kind, unit) == expected


def test_force_stays_force() -> None:
    assert (unit_of(RESPIRATION, "N"), unit_of(RESPIRATION, "ohm"), unit_of(ECG, "mV")) == ("N", "au", "uV")


def test_what_a_person_says() -> None:
    choice = parse_choice("EXG 1=a=ecg:mV")
    assert (choice.label, choice.kind, choice.unit) == ("EXG 1=a", ECG, "mV")
    assert parse_choice("#2=GSR").kind is SKIN


@pytest.mark.parametrize("text", ["", "ecg", "=ecg", "X=", "X=heart", "X=ecg:furlong", "X=eda:kOhm"])
def test_what_cannot_be_understood_names_the_option(text: str) -> None:
    with pytest.raises(ConfigError, match="--signal: expected"):
        parse_choice(text)
