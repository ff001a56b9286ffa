"""Password hashing and similarity of passwords to personal data."""

from unittest.mock import patch

from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.test import TestCase

from backend.accounts.models import User
from tests.accounts.apis import make_apis
from tests.accounts.cases import (
    OTHER_PASSWORD,
    PASSWORD,
    AccountCase,
    clear_redis,
    log_in,
    make_user,
)


class HashTest(TestCase):
    """Tests with the real, slow password hashers."""

    def setUp(self) -> None:
        clear_redis()

    def stored_hash(self, email: str) -> str:
        return User.objects.get(email=email).password

    def test_passwords_are_hashed_with_argon2(self) -> None:
        for api in make_apis():
            with self.subTest(api.name):
                email = f"{api.name.lower()}@example.com"
                assert api.register(email, PASSWORD).code is None
                assert self.stored_hash(email).startswith("argon2$argon2id$"), self.stored_hash(email)[:20]

    def test_outdated_hash_is_accepted_and_upgraded(self) -> None:
        old = make_password(PASSWORD, hasher="pbkdf2_sha256")
        for api in make_apis():
            with self.subTest(api.name):
                email = make_user(f"{api.name.lower()}@example.com").email
                User.objects.filter(email=email).update(password=old)

                assert api.log_in(email, OTHER_PASSWORD).code == "WRONG_CREDENTIALS"
                assert self.stored_hash(email) == old

                assert api.log_in(email, PASSWORD).code is None
                renewed = self.stored_hash(email)
                assert renewed.startswith("argon2$argon2id$"), renewed[:20]
                assert api.log_in(email, PASSWORD).code is None
                assert self.stored_hash(email) == renewed

    def test_hash_of_an_unprepared_password_is_accepted_and_upgraded(self) -> None:
        """Hashes that are older than the preparation of passwords keep working."""
        for number, unprepared in enumerate(["Cafe\u0301 am Markt", "zero\u200bwidth-7"]):
            for api in make_apis():
                with self.subTest(api.name, password=ascii(unprepared)):
                    email = make_user(f"{api.name.lower()}{number}@example.com").email
                    old = make_password(unprepared)
                    User.objects.filter(email=email).update(password=old)
                    assert api.log_in(email, unprepared + "x").code == "WRONG_CREDENTIALS"
                    assert api.log_in(email, unprepared).code is None
                    assert api.log_in(email, unprepared).code is None
                    # A password that the profile rejects has no other form.
                    is_upgraded = self.stored_hash(email) != old
                    assert is_upgraded == (number == 0)
                    composed = unprepared.replace("e\u0301", "é")
                    assert api.log_in(email, composed).code is None

    def test_model_prepares_passwords(self) -> None:
        user = make_user(password="Cafe\u0301 am Markt")
        assert user.check_password("Café am\u3000Markt")
        assert not user.check_password("Cafe am Markt")
        user.password = make_password("Cafe\u0301 am Markt")
        assert user.check_password("Café am Markt")
        user.refresh_from_db()
        assert user.check_password("Café am Markt")

    def test_wrong_password_is_hashed_as_often_without_an_account(self) -> None:
        make_user("known@example.com", PASSWORD)
        for password in ("wrong-7", "Cafe\u0301 am Markt", "zero\u200bwidth"):
            counts = []
            for email in ("known@example.com", "unknown@example.com"):
                encode = Argon2PasswordHasher.encode
                with (
                    patch.object(
                        Argon2PasswordHasher, "encode", autospec=True, side_effect=encode
                    ) as encoded,
                    patch.object(
                        Argon2PasswordHasher, "verify", autospec=True, return_value=False
                    ) as verified,
                ):
                    assert make_apis()[0].log_in(email, password).code == "WRONG_CREDENTIALS"
                counts.append(encoded.call_count + verified.call_count)
            assert counts[0] == counts[1], ascii(password)


class SimilarityTest(AccountCase):
    def test_password_similar_to_name_or_address_is_refused(self) -> None:
        user = make_user("wera.inber@example.com", name="Konstantin Paustovsky")
        header = f"Bearer {log_in(user).access_token}"
        for weak in ("konstantin1", "Paustovsky7", "wera.inber@example"):
            with self.subTest(weak):
                change = {"old_password": PASSWORD, "new_password": weak}
                response = self.graphql.send("change password", change, header)
                assert (response.code, response.field) == ("WEAK_PASSWORD", "new_password")
        change = {"old_password": PASSWORD, "new_password": OTHER_PASSWORD}
        assert self.graphql.send("change password", change, header).code is None
