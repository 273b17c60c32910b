"""The findings of a check that are not ok."""


def problems(report, *names):
    """Return the warnings and errors of a report, of the checks `names` or of all."""
    return [
        finding
        for finding in report.findings
        if finding.severity != "ok" and (not names or finding.check in names)
    ]
