"""Makes django.json: password hashes and tokens as Django and simplejwt make them.

    python -m venv venv
    venv/bin/pip install django==5.2.* djangorestframework djangorestframework-simplejwt
    venv/bin/python make_django_data.py > django.json

The key signs nothing but this file. Tokens that are to be good are so for a century.
"""

import json
from datetime import timedelta
from types import SimpleNamespace

from django.conf import settings

KEY = "django-insecure-a-key-that-was-made-for-this-file-and-signs-nothing-else"
CENTURY = timedelta(days=36500)

settings.configure(
    SECRET_KEY=KEY,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
)

import django  # noqa: E402

django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken  # noqa: E402

USER = SimpleNamespace(id=7, is_active=True)


def made(token, lifetime=CENTURY, without=(), **claims):
    token.set_exp(lifetime=lifetime)
    for name, value in claims.items():
        token[name] = value
    for name in without:
        del token.payload[name]
    return str(token)


def access(**kwargs):
    return made(AccessToken.for_user(USER), **kwargs)


def refresh(**kwargs):
    return made(RefreshToken.for_user(USER), **kwargs)


PASSWORDS = ["correct horse", "pässwörd 😀", "x" * 200]

print(
    json.dumps(
        {
            "secret_key": KEY,
            "user_id": USER.id,
            "passwords": [{"password": password, "hash": make_password(password)} for password in PASSWORDS],
            "unusable_hash": make_password(None),
            "tokens": {
                "access": access(),
                "access_with_a_number": access(user_id=USER.id),
                "access_expired": access(lifetime=timedelta(seconds=-1)),
                "access_without_jti": access(without=["jti"]),
                "access_without_exp": access(without=["exp"]),
                "access_without_user_id": access(without=["user_id"]),
                "refresh": refresh(),
                "refresh_expired": refresh(lifetime=timedelta(seconds=-1)),
                "refresh_without_jti": refresh(without=["jti"]),
            },
        },
        indent=2,
        ensure_ascii=False,
    )
)
