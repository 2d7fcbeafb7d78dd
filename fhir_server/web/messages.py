"""Everything that the pages say, in French and English."""

from __future__ import annotations

from typing import Any

from fhir_server.web.languages import Language
from fhir_server.web.type_names import TYPE_NAMES

MESSAGES: dict[str, tuple[str, str]] = {
    # key: French, English
    "brand": ("Dossier de santé", "Health record"),
    "skip": ("Aller au contenu", "Skip to the content"),
    "language": ("Langue", "Language"),
    "errors-title": ("Il y a un problème", "There is a problem"),
    "error-prefix": ("Erreur :", "Error:"),
    "signed-in-as": ("Connecté : {name}", "Signed in: {name}"),
    "sign-in": ("Se connecter", "Sign in"),
    "sign-in-intro": (
        "Pour ouvrir votre dossier de santé ou ceux dont vous avez la charge.",
        "To open your health record, or those in your care.",
    ),
    "name": ("Nom d'utilisateur", "User name"),
    "password": ("Mot de passe", "Password"),
    "with-passkey": ("Se connecter avec une clé d'accès", "Sign in with a passkey"),
    "with-provider": ("Se connecter avec {name}", "Sign in with {name}"),
    "or": ("ou", "or"),
    "paper-link": (
        "Première connexion, mot de passe ou appareil perdu : utiliser un code sur papier",
        "First time here, password or device lost: use a code on paper",
    ),
    "sign-in-wrong": (
        "Ce nom et ce mot de passe ne vont pas ensemble. Vérifiez les deux.",
        "This name and this password do not belong together. Check both.",
    ),
    "passkey-wrong": (
        "Cette clé d'accès n'est pas reconnue. Réessayez, ou utilisez votre mot de passe.",
        "This passkey is not known. Try again, or use your password.",
    ),
    "provider-wrong": (
        "La connexion par ce service n'a pas abouti, ou aucun compte n'y est lié.",
        "Signing in there did not work, or no account is linked to it.",
    ),
    "wait": (
        "Trop d'essais : attendez un peu avant de réessayer. Votre compte n'est pas bloqué.",
        "Too many attempts: wait a little before you try again. Your account is not locked.",
    ),
    "wait-seconds": ("Réessayez dans {seconds} secondes.", "Try again in {seconds} seconds."),
    "second-title": ("Code de votre application", "Code from your app"),
    "second-intro": (
        "Ouvrez votre application d'authentification et recopiez le code à six chiffres. "
        "Si vous ne l'avez plus, recopiez un code de votre feuille.",
        "Open your authenticator app and copy its six digits. "
        "If you do not have it any more, copy a code from your sheet of paper.",
    ),
    "code": ("Code", "Code"),
    "code-wrong": (
        "Ce code n'est pas bon, ou il a déjà servi. Attendez le suivant.",
        "This code is not right, or it was used before. Wait for the next one.",
    ),
    "continue": ("Continuer", "Continue"),
    "recover-title": ("Code sur papier", "Code on paper"),
    "recover-intro": (
        "Recopiez un code de la feuille que vous avez reçue ou imprimée. Chaque code sert une "
        "fois. Vous choisirez ensuite un nouveau mot de passe.",
        "Copy a code from the sheet that you were given or printed. Each code works once. "
        "You then choose a new password.",
    ),
    "paper-code": ("Code de la feuille", "Code from the sheet"),
    "paper-wrong": (
        "Ce nom et ce code ne vont pas ensemble, ou le code a déjà servi.",
        "This name and this code do not belong together, or the code was used before.",
    ),
    "back-to-sign-in": ("Revenir à la connexion", "Back to sign-in"),
    "password-title": ("Choisir un mot de passe", "Choose a password"),
    "password-hint": (
        "12 caractères ou plus. Une phrase de plusieurs mots convient très bien.",
        "12 characters or more. A phrase of several words does very well.",
    ),
    "password-new": ("Nouveau mot de passe", "New password"),
    "password-again": ("Le même encore une fois", "The same once more"),
    "password-save": ("Enregistrer le mot de passe", "Save the password"),
    "password-short": (
        "Le mot de passe doit avoir 12 caractères ou plus.",
        "The password must have 12 characters or more.",
    ),
    "password-long": (
        "Le mot de passe doit avoir 256 caractères au plus.",
        "The password must have 256 characters at most.",
    ),
    "password-simple": (
        "Ce mot de passe est trop facile à deviner. Choisissez plusieurs mots.",
        "This password is too easy to guess. Choose several words.",
    ),
    "password-differs": (
        "Les deux mots de passe ne sont pas les mêmes.",
        "The two passwords are not the same.",
    ),
    "sign-out": ("Se déconnecter", "Sign out"),
    "sign-out-ask": ("Voulez-vous vous déconnecter ?", "Do you want to sign out?"),
    "sign-out-note": (
        "Les applications que vous avez autorisées pour plus longtemps gardent leur accès ; "
        "vous pouvez le retirer dans votre compte.",
        "Apps that you allowed for longer keep their access; you can take it back in your account.",
    ),
    "signed-out": ("Vous êtes déconnecté", "You are signed out"),
    "fault-title": ("Cela n'est pas possible", "This is not possible"),
    "app-refused": (
        "L'application a fait une demande qui n'est pas en règle. Rien n'a été ouvert. "
        "Prévenez ceux qui l'ont faite :",
        "The app made a request that is not in order. Nothing was opened. Tell those who made it:",
    ),
    "request-gone": (
        "Cette demande a déjà reçu une réponse, ou elle est trop ancienne. "
        "Recommencez depuis l'application.",
        "This request was answered before, or it is too old. Begin again in the app.",
    ),
    "patient-not-yours": (
        "Vous ne pouvez pas ouvrir ce dossier.",
        "You may not open this record.",
    ),
    "form-elsewhere": (
        "Cette page est trop ancienne ou ne vient pas d'ici. Revenez en arrière, rechargez-la et "
        "réessayez. Les cookies doivent être acceptés.",
        "This page is too old, or not from here. Go back, load it again and retry. "
        "Cookies must be accepted.",
    ),
    "patients-title": ("Quel dossier ?", "Whose record?"),
    "patients-intro": (
        "{app} demande à ouvrir un dossier. Choisissez lequel.",
        "{app} asks to open a record. Choose which one.",
    ),
    "patients-search": ("Chercher par nom", "Search by name"),
    "search": ("Chercher", "Search"),
    "patients-none": ("Aucun dossier trouvé.", "No record was found."),
    "patients-most": (
        "Seuls les {most} premiers sont montrés : précisez le nom.",
        "Only the first {most} are shown: make the name more precise.",
    ),
    "born": ("né(e) le {date}", "born {date}"),
    "nothing-title": ("Aucun accès à donner", "No access to give"),
    "nothing-admin": (
        "Les administrateurs n'ont accès à aucune donnée de santé.",
        "Administrators have no access to any health data.",
    ),
    "nothing-other": (
        "Vous ne pouvez pas ouvrir le dossier que {app} demande.",
        "You may not open the record that {app} asks for.",
    ),
    "back-to-app": ("Revenir à l'application", "Back to the app"),
    "approve-title": ("Autoriser {app} ?", "Allow {app}?"),
    "approve-intro": (
        "Elle vous renverra vers {host}. Décochez ce que vous ne voulez pas permettre.",
        "It will take you back to {host}. Untick what you do not want to allow.",
    ),
    "approve-record": ("Dossier de {name}", "Record of {name}"),
    "approve-other": ("Choisir un autre dossier", "Choose another record"),
    "encounter": ("Rencontre", "Encounter"),
    "encounter-none": ("Aucune en particulier", "None in particular"),
    "about-you": ("À votre sujet", "About you"),
    "level-patient": ("Dans ce dossier", "In this record"),
    "level-user": (
        "Dans tous les dossiers que vous pouvez ouvrir",
        "In every record that you may open",
    ),
    "how-long": ("Pour combien de temps", "For how long"),
    "identity": ("Savoir qui vous êtes", "Know who you are"),
    "online_access": (
        "Garder l'accès tant que vous êtes connecté",
        "Keep the access while you are signed in",
    ),
    "offline_access": (
        "Garder l'accès ensuite, même quand vous n'êtes pas là",
        "Keep the access afterwards, even when you are not there",
    ),
    "verb-read": ("lire", "read"),
    "verb-search": ("chercher", "search"),
    "verb-c": ("ajouter", "add"),
    "verb-u": ("modifier", "change"),
    "verb-d": ("supprimer", "delete"),
    "only-where": ("seulement où {name} est {value}", "only where {name} is {value}"),
    "allow": ("Autoriser", "Allow"),
    "deny": ("Refuser", "Do not allow"),
    "revoke-later": (
        "Vous pourrez retirer cet accès dans votre compte.",
        "You can take this access back in your account.",
    ),
    "account-title": ("Votre compte", "Your account"),
    "account-who": ("Nom d'utilisateur : {name}", "User name: {name}"),
    "account-kind-patient": ("Vous ouvrez votre propre dossier.", "You open your own record."),
    "account-kind-related": (
        "Vous ouvrez les dossiers des personnes que vous représentez.",
        "You open the records of those whom you represent.",
    ),
    "account-kind-practitioner": (
        "Vous êtes un professionnel de santé.",
        "You are a health professional.",
    ),
    "account-kind-admin": (
        "Vous administrez ce serveur, sans accès aux données de santé.",
        "You administer this server, without access to health data.",
    ),
    "account-password": ("Mot de passe", "Password"),
    "account-password-change": ("Changer le mot de passe", "Change the password"),
    "account-totp": ("Application d'authentification", "Authenticator app"),
    "account-totp-on": (
        "Un code de votre application est demandé après le mot de passe.",
        "A code from your app is asked for after the password.",
    ),
    "account-totp-off": (
        "Un code en plus du mot de passe protège votre dossier si quelqu'un le devine.",
        "A code besides the password protects your record if somebody guesses it.",
    ),
    "totp-add": ("Ajouter une application", "Add an app"),
    "totp-drop": ("Ne plus demander de code", "Ask for no code any more"),
    "totp-title": ("Ajouter une application d'authentification", "Add an authenticator app"),
    "totp-scan": (
        "Photographiez ce carré avec l'application, ou recopiez-y la clé.",
        "Scan this square with the app, or copy the key into it.",
    ),
    "totp-picture": ("Carré à photographier", "Square to scan"),
    "totp-key": ("Clé :", "Key:"),
    "totp-code": (
        "Puis recopiez le code à six chiffres qu'elle montre",
        "Then copy the six digits that it shows",
    ),
    "account-passkeys": ("Clés d'accès", "Passkeys"),
    "passkeys-intro": (
        "Une clé d'accès remplace nom et mot de passe par votre doigt, votre visage ou un code de "
        "l'appareil.",
        "A passkey takes the place of name and password: your finger, your face or the "
        "device's PIN.",
    ),
    "passkeys-none": ("Aucune pour l'instant.", "None so far."),
    "passkey-title": ("Nom de cet appareil", "Name of this device"),
    "passkey-add": ("Ajouter une clé d'accès", "Add a passkey"),
    "passkey-script": (
        "Ajouter une clé d'accès demande JavaScript et un navigateur qui les connaît.",
        "Adding a passkey needs JavaScript and a browser that knows them.",
    ),
    "passkey-refused": (
        "Cette clé d'accès n'a pas pu être ajoutée. Réessayez.",
        "This passkey could not be added. Try again.",
    ),
    "passkey-of": ("{title}, ajoutée le {date}", "{title}, added on {date}"),
    "remove": ("Retirer", "Remove"),
    "remove-what": ("Retirer : {title}", "Remove: {title}"),
    "account-paper": ("Codes sur papier", "Codes on paper"),
    "paper-left": (
        "Codes qui restent : {count}. Gardez la feuille comme une clé de maison.",
        "Codes left: {count}. Keep the sheet as you keep the key of your house.",
    ),
    "paper-new": ("Imprimer de nouveaux codes", "Print new codes"),
    "paper-title": ("Vos codes sur papier", "Your codes on paper"),
    "paper-intro": (
        "Imprimez cette page maintenant : elle ne sera plus montrée. Les anciens codes ne valent "
        "plus rien. Chaque code sert une fois, si vous perdez mot de passe ou appareil.",
        "Print this page now: it is not shown again. Older codes are good no more. Each code "
        "works once, should you lose password or device.",
    ),
    "account-apps": ("Applications autorisées", "Apps that you allowed"),
    "apps-none": ("Aucune.", "None."),
    "app-since": ("depuis le {date}", "since {date}"),
    "app-revoke": ("Retirer l'accès de {app}", "Take back the access of {app}"),
    "account-elsewhere": (
        "Se déconnecter de tous les autres appareils",
        "Sign out on all other devices",
    ),
    "account-back": ("Revenir au compte", "Back to the account"),
    "done": ("C'est fait.", "Done."),
    **TYPE_NAMES,
}


def message(key: str, language: Language, **given: Any) -> str:
    """The text of a key, with what it names put in. Raises KeyError for a key that is not there."""
    text = MESSAGES[key][0 if language == "fr" else 1]
    return text.format(**given) if given else text
