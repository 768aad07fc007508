from script.demo_site.home import forecourt_problems

LOG = """\
2026-11-23 16:14:41.242 WARNING (MainThread) [haffmpeg.tools] Error starting FFmpeg.
2026-11-23 16:14:41.300 WARNING (Worker) [homeassistant.loader] We found a custom integration \
forecourt which has not been tested by Home Assistant.
2026-11-23 16:14:42.000 INFO (MainThread) [custom_components.forecourt.site] fine
2026-11-23 16:14:43.000 \x1b[31mERROR (MainThread) [custom_components.forecourt.hub] wrong\x1b[0m
Traceback (most recent call last):
ValueError: because
2026-11-23 16:14:44.000 INFO (MainThread) [custom_components.forecourt.site] fine again
2026-11-23 16:14:45.000 ERROR (MainThread) [homeassistant] Error doing job: Task exception
  File "custom_components/forecourt/hub.py", line 1
2026-11-23 16:14:46.000 ERROR (MainThread) [homeassistant] somebody else's
  File "components/camera.py", line 1
"""


def test_only_what_went_wrong_in_forecourt_is_reported() -> None:
    hub, job = forecourt_problems(LOG)
    assert hub.endswith("wrong\nTraceback (most recent call last):\nValueError: because")
    assert job.endswith('File "custom_components/forecourt/hub.py", line 1')


def test_a_clean_log_has_no_problems() -> None:
    assert forecourt_problems("") == []
