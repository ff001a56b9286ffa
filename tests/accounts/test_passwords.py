"""Password hashing and similarity of passwords to personal data."""

from django.contrib.auth.hashers import make_password
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
