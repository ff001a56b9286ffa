"""The texts of the mails."""

from django.conf import settings
from django.test import SimpleTestCase

from backend.config.environment import PROJECT_DIR
from backend.notifications.email_templates import render_email


class Letters(SimpleTestCase):
    def test_what_stands_in_them_is_escaped_in_the_html_only_and_once(self) -> None:
        for name in ("confirmation", "password-reset"):
            for language, _ in settings.LANGUAGES:
                with self.subTest(name, language=language):
                    letter = render_email(name, language, {"code": "<Tom> & Co's", "minutes": 5})
                    self.assertTrue(letter.subject.startswith("<Tom> & Co's "), letter.subject)
                    self.assertIn(" <Tom> & Co's.", letter.text)
                    self.assertEqual(letter.html.count("&lt;Tom&gt; &amp; Co&#x27;s"), 3)
                    self.assertNotIn("&amp;amp;", letter.html)
                    self.assertNotIn("<Tom>", letter.html)

    def test_every_text_is_left_unescaped(self) -> None:
        texts = sorted(PROJECT_DIR.glob("backend/*/templates/emails/*.txt"))
        self.assertTrue(texts)
        for text in texts:
            with self.subTest(text.name):
                self.assertTrue(text.read_text().startswith("{% autoescape off %}"))
