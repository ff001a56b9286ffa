"""Templates of the mails."""

from django.conf import settings
from django.test import SimpleTestCase

from backend.config.environment import PROJECT_DIR
from backend.notifications.email_templates import render_email


class EmailTemplateTest(SimpleTestCase):
    def test_variables_are_escaped_once_and_only_in_html(self) -> None:
        for name in ("confirmation", "password-reset"):
            for language, _ in settings.LANGUAGES:
                with self.subTest(name, language=language):
                    content = render_email(name, language, {"code": "<Tom> & Co's", "minutes": 5})
                    assert content.subject.startswith("<Tom> & Co's "), content.subject
                    assert " <Tom> & Co's." in content.text
                    assert content.html.count("&lt;Tom&gt; &amp; Co&#x27;s") == 3
                    assert "&amp;amp;" not in content.html
                    assert "<Tom>" not in content.html

    def test_every_template_disables_autoescape(self) -> None:
        texts = sorted(PROJECT_DIR.glob("backend/*/templates/emails/*.txt"))
        assert texts
        for text in texts:
            with self.subTest(text.name):
                assert text.read_text().startswith("{% autoescape off %}")
