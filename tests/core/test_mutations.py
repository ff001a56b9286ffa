"""Several mutations in one request: each has its own answer."""

from django.test import TestCase

from tests.clients import GraphQLClient
from tests.people import make_user

REQUEST = """
mutation {
  given: tokenCreate(input: {email: "vera@example.com", password: "correct horse"}) { accessToken }
  refused: tokenRevoke { errors { code } }
}
"""


class OneOfSeveralIsRefused(TestCase):
    def test_what_the_others_did_is_told(self) -> None:
        make_user("vera@example.com", "correct horse")
        body = GraphQLClient().post(REQUEST).json()
        self.assertTrue(body["data"]["given"]["accessToken"])
        self.assertIsNone(body["data"]["refused"])
        [error] = body["errors"]
        self.assertEqual((error["path"], error["extensions"]["code"]), (["refused"], "UNAUTHENTICATED"))
