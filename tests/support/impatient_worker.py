"""The web worker with a short limit of silence, for tests that wait for it."""

from backend.config import web_worker

web_worker.SILENCE_SECONDS = 1
WebWorker = web_worker.WebWorker
