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
                    self.assertTrue(content.subject.startswith("<Tom> & Co's "), content.subject)
                    self.assertIn(" <Tom> & Co's.", content.text)
                    self.assertEqual(content.html.count("&lt;Tom&gt; &amp; Co&#x27;s"), 3)
                    self.assertNotIn("&amp;amp;", content.html)
                    self.assertNotIn("<Tom>", content.html)

    def test_every_template_disables_autoescape(self) -> None:
        texts = sorted(PROJECT_DIR.glob("backend/*/templates/emails/*.txt"))
        self.assertTrue(texts)
        for text in texts:
            with self.subTest(text.name):
                self.assertTrue(text.read_text().startswith("{% autoescape off %}"))
