"""Who the twelve are: what their records are grown from."""

from __future__ import annotations

from datetime import date

from fhir_server.demo.person import Illness, Person, Treatment, Trend

_CHILD_VACCINES = (
    ("hexavalent", 0.17), ("pneumococcal", 0.17), ("hexavalent", 0.34), ("pneumococcal", 0.34),
    ("hexavalent", 0.92), ("pneumococcal", 0.92), ("mmr", 1.0), ("meningococcal", 1.0),
    ("mmr", 1.42), ("dtcap", 6.0), ("dtcap", 11.5),
)  # fmt: skip
"""Vaccinations of the French calendar, by age in years."""

PEOPLE: tuple[Person, ...] = (
    Person(
        "lison-farelle", ("Lison",), "Farelle", "female", date(2026, 2, 14), "44109", "Nantes",
        "44000", 8,
        illnesses=(Illness("J21.9", "Bronchiolite aiguë", 0.25, 1),),
        trends=(
            ("weight", Trend(3.3, 8.4, 0.1)), ("height", Trend(49.5, 69.5, 0.3)),
            ("head", Trend(34.5, 44.0, 0.2)),
        ),
        vaccines=_CHILD_VACCINES, specialist="paediatrics", guardian="Maud Farelle",
    ),
    Person(
        "noe-castagnier", ("Noé", "Élie"), "Castagnier", "male", date(2020, 5, 3), "69383", "Lyon",
        "69003", 4,
        illnesses=(
            Illness("J45.0", "Asthme à prédominance allergique", 3.2),
            Illness("H66.9", "Otite moyenne", 2.1, 1),
        ),
        treatments=(
            Treatment("R03BA05", "Fluticasone 50 µg, suspension pour inhalation",
                      "1 bouffée matin et soir", 2, 3.1),
            Treatment("R03AC02", "Salbutamol 100 µg, suspension pour inhalation",
                      "2 bouffées en cas de gêne", 1, 3.2),
        ),
        trends=(
            ("weight", Trend(3.5, 21.8, 0.2)), ("height", Trend(50.0, 117.0, 0.4)),
            ("peak-flow", Trend(110, 165, 9)),
        ),
        allergies=(("food", "Arachide", "high"),),
        vaccines=_CHILD_VACCINES, specialist="paediatrics", guardian="Hugo Castagnier",
    ),
    Person(
        "salome-brissard", ("Salomé",), "Brissard", "female", date(2011, 9, 21), "35238", "Rennes",
        "35000", 2,
        illnesses=(Illness("M41.1", "Scoliose idiopathique juvénile", 2.4),),
        trends=(("weight", Trend(18.5, 52.0, 0.6)), ("height", Trend(108.0, 164.5, 0.4))),
        vaccines=(*_CHILD_VACCINES, ("hpv", 11.6), ("hpv", 12.1)),
        imaging=(
            ("Radiographie du rachis entier", 2.4,
             "Courbure thoracique droite, angle de Cobb 14°. Surveillance à six mois."),
            ("Radiographie du rachis entier", 0.9,
             "Courbure stable, angle de Cobb 15°. Pas d'indication de corset."),
        ),
        specialist="orthopaedics", guardian="Agathe Brissard",
    ),
    Person(
        "idriss-valmorin", ("Idriss",), "Valmorin", "male", date(2004, 12, 9), "97105",
        "Strasbourg", "67000", 1,
        illnesses=(
            Illness("G43.0", "Migraine sans aura", 4.0),
            Illness("S82.6", "Fracture de la malléole externe", 3.1, 4),
        ),
        treatments=(
            Treatment("N02CC01", "Sumatriptan 50 mg, comprimé",
                      "1 comprimé au début de la crise", 1, 4.0),
        ),
        trends=(("weight", Trend(41.0, 72.5, 0.9)), ("height", Trend(149.0, 181.0, 0.4))),
        pressure=(Trend(108, 118, 5), Trend(64, 72, 4)),
        vaccines=(("dtp", 11.8), ("covid", 16.7), ("covid", 16.8)),
        imaging=(
            ("Radiographie de la cheville droite", 3.1,
             "Fracture non déplacée de la malléole externe. Immobilisation six semaines."),
        ),
    ),
    Person(
        "maelle-soubeyran", ("Maëlle", "Rose"), "Soubeyran", "female", date(1996, 4, 30), "31555",
        "Toulouse", "31000", 3,
        illnesses=(
            Illness("Z34.0", "Surveillance d'une première grossesse", 2.6, 9),
            Illness("O24.4", "Diabète sucré survenu au cours de la grossesse", 2.2, 4),
            Illness("D50.9", "Anémie par carence en fer", 2.3, 8),
        ),
        treatments=(
            Treatment("B03AA07", "Sulfate ferreux 80 mg, comprimé", "1 comprimé le matin", 1, 2.3,
                      False),
        ),
        trends=(
            ("weight", Trend(58.0, 63.5, 1.4)), ("haemoglobin", Trend(12.9, 12.4, 0.7)),
            ("ferritin", Trend(38, 29, 9)),
        ),
        pressure=(Trend(112, 116, 5), Trend(68, 71, 4)),
        panels=(("blood", 2),),
        vaccines=(("covid", 25.3), ("covid", 25.4), ("influenza", 28.5), ("dtcap", 28.3)),
        imaging=(
            ("Échographie obstétricale du deuxième trimestre", 2.2,
             "Grossesse monofœtale évolutive, biométries au 50e percentile."),
        ),
        specialist="gynaecology",
    ),
    Person(
        "yanis-delorvel", ("Yanis",), "Delorvel", "male", date(1991, 7, 17), "13201", "Marseille",
        "13001", 4,
        illnesses=(Illness("E10.9", "Diabète de type 1", 17.0),),
        treatments=(
            Treatment("A10AE04", "Insuline glargine 100 U/mL", "18 unités le soir", 1, 9.5),
            Treatment("A10AB05", "Insuline asparte 100 U/mL", "selon la glycémie, aux repas", 3,
                      9.5),
        ),
        trends=(
            ("weight", Trend(71.0, 76.5, 0.9)), ("hba1c", Trend(8.9, 7.1, 0.3)),
            ("glucose", Trend(10.2, 8.0, 1.9)), ("creatinine", Trend(74, 79, 4)),
            ("ldl", Trend(2.9, 2.4, 0.2)),
        ),
        pressure=(Trend(118, 124, 6), Trend(72, 76, 4)),
        panels=(("diabetes", 4),),
        vaccines=(("influenza", 33.3), ("influenza", 34.3), ("covid", 29.9), ("covid", 30.0)),
        specialist="endocrinology",
    ),
    Person(
        "oriane-lestrade", ("Oriane",), "Lestrade", "female", date(1985, 1, 26), "59350", "Lille",
        "59000", 3,
        illnesses=(
            Illness("E06.3", "Thyroïdite auto-immune", 6.5),
            Illness("F32.1", "Épisode dépressif moyen", 4.8, 14),
        ),
        treatments=(
            Treatment("H03AA01", "Lévothyroxine sodique 75 µg, comprimé",
                      "1 comprimé le matin à jeun", 1, 6.4),
            Treatment("N06AB10", "Escitalopram 10 mg, comprimé", "1 comprimé le matin", 1, 4.8,
                      False),
        ),
        trends=(("weight", Trend(66.0, 64.0, 1.1)), ("tsh", Trend(7.8, 2.1, 0.6))),
        pressure=(Trend(115, 119, 5), Trend(72, 75, 4)),
        panels=(("thyroid", 2),),
        allergies=(("medication", "Pénicilline", "high"),),
        vaccines=(("dtp", 35.1), ("covid", 36.4), ("covid", 36.5)),
        specialist="endocrinology",
    ),
    Person(
        "bastien-corvaisier", ("Bastien", "Paul"), "Corvaisier", "male", date(1978, 3, 8), "63113",
        "Clermont-Ferrand", "63000", 3,
        illnesses=(
            Illness("I10", "Hypertension essentielle", 7.0),
            Illness("E66.0", "Obésité due à un excès calorique", 9.0),
            Illness("G47.3", "Apnées du sommeil", 3.5),
        ),
        treatments=(
            Treatment("C09AA04", "Périndopril 5 mg, comprimé", "1 comprimé le matin", 1, 6.9),
            Treatment("C08CA01", "Amlodipine 5 mg, comprimé", "1 comprimé le matin", 1, 4.0),
        ),
        trends=(
            ("weight", Trend(109.0, 94.5, 1.3)), ("bmi", Trend(34.4, 29.8, 0.4)),
            ("ldl", Trend(4.3, 3.1, 0.25)), ("hdl", Trend(0.9, 1.15, 0.08)),
            ("triglycerides", Trend(2.4, 1.6, 0.25)),
        ),
        pressure=(Trend(158, 129, 7), Trend(99, 82, 5)),
        panels=(("lipids", 1),),
        vaccines=(("dtp", 45.2), ("covid", 43.3), ("covid", 43.4)),
        specialist="cardiology",
    ),
    Person(
        "solange-ribeyrolle", ("Solange", "Marie"), "Ribeyrolle", "female", date(1970, 10, 2),
        "33063", "Bordeaux", "33000", 4,
        illnesses=(
            Illness("E11.9", "Diabète de type 2", 8.5),
            Illness("I10", "Hypertension essentielle", 6.0),
            Illness("H36.0", "Rétinopathie diabétique", 1.8),
        ),
        treatments=(
            Treatment("A10BA02", "Metformine 1 000 mg, comprimé", "1 comprimé matin et soir", 2,
                      8.4),
            Treatment("A10BJ06", "Sémaglutide 0,5 mg, solution injectable",
                      "1 injection par semaine", 1, 2.0),
            Treatment("C09CA06", "Candésartan 8 mg, comprimé", "1 comprimé le matin", 1, 5.9),
        ),
        trends=(
            ("weight", Trend(88.0, 77.5, 1.0)), ("hba1c", Trend(8.6, 6.7, 0.3)),
            ("glucose", Trend(9.8, 6.8, 0.8)), ("creatinine", Trend(68, 81, 4)),
            ("ldl", Trend(3.9, 2.1, 0.25)),
        ),
        pressure=(Trend(149, 131, 6), Trend(91, 80, 5)),
        panels=(("diabetes", 4),),
        allergies=(("medication", "Produit de contraste iodé", "low"),),
        vaccines=(("dtp", 45.3), ("covid", 50.6), ("covid", 50.8), ("influenza", 55.1)),
        specialist="endocrinology",
    ),
    Person(
        "mireille-aubanton", ("Mireille",), "Aubanton", "female", date(1963, 6, 11), "76540",
        "Rouen", "76000", 4,
        illnesses=(
            Illness("C50.4", "Tumeur maligne du quadrant supéro-externe du sein", 5.2, 16),
            Illness("Z85.3", "Antécédent personnel de tumeur maligne du sein", 3.8),
        ),
        treatments=(
            Treatment("L02BG03", "Anastrozole 1 mg, comprimé", "1 comprimé par jour", 1, 4.4),
        ),
        trends=(
            ("weight", Trend(67.0, 65.5, 1.2)), ("ca153", Trend(38.0, 15.0, 2.5)),
            ("haemoglobin", Trend(11.6, 13.2, 0.5)),
        ),
        pressure=(Trend(126, 131, 6), Trend(77, 79, 4)),
        panels=(("tumour", 2),),
        vaccines=(("covid", 57.9), ("covid", 58.0), ("influenza", 61.3), ("influenza", 62.3)),
        imaging=(
            ("Mammographie bilatérale", 5.2,
             "Opacité spiculée de 17 mm du quadrant supéro-externe gauche, ACR 5. Biopsie."),
            ("Mammographie bilatérale", 3.1,
             "Remaniements cicatriciels gauches, pas d'image suspecte. ACR 2."),
            ("Mammographie bilatérale", 1.1,
             "Pas de signe de récidive. ACR 2. Contrôle à un an."),
        ),
        specialist="oncology",
    ),
    Person(
        "armand-tissandier", ("Armand", "Louis"), "Tissandier", "male", date(1955, 2, 19), "87085",
        "Limoges", "87000", 6,
        illnesses=(
            Illness("I48.2", "Fibrillation auriculaire chronique", 6.8),
            Illness("I50.1", "Insuffisance ventriculaire gauche", 4.1),
            Illness("J18.9", "Pneumopathie, sans précision", 1.6, 1),
        ),
        treatments=(
            Treatment("B01AA12", "Fluindione 20 mg, comprimé", "selon l'INR", 1, 6.7),
            Treatment("C07AB07", "Bisoprolol 2,5 mg, comprimé", "1 comprimé le matin", 1, 6.7),
            Treatment("C03CA01", "Furosémide 40 mg, comprimé", "1 comprimé le matin", 1, 4.1),
            Treatment("A10BK01", "Dapagliflozine 10 mg, comprimé", "1 comprimé le matin", 1, 2.2),
        ),
        trends=(
            ("weight", Trend(84.0, 79.5, 1.5)), ("inr", Trend(2.4, 2.5, 0.45)),
            ("bnp", Trend(2100, 780, 240)), ("potassium", Trend(4.1, 4.6, 0.3)),
            ("creatinine", Trend(92, 118, 6)), ("pulse", Trend(88, 68, 6)),
            ("saturation", Trend(95, 96, 1)),
        ),
        pressure=(Trend(141, 122, 8), Trend(82, 70, 5)),
        panels=(("coagulation", 10), ("heart", 3)),
        vaccines=(
            ("influenza", 67.7), ("influenza", 68.7), ("influenza", 69.7), ("influenza", 70.7),
            ("covid", 66.1), ("covid", 66.3), ("covid", 68.7), ("zoster", 70.1),
        ),
        imaging=(
            ("Échocardiographie transthoracique", 4.1,
             "Fraction d'éjection 38 %, oreillette gauche dilatée."),
            ("Échocardiographie transthoracique", 1.0,
             "Fraction d'éjection 46 %, en amélioration sous traitement."),
        ),
        specialist="cardiology",
    ),
    Person(
        "yvette-mortagnac", ("Yvette", "Jeanne"), "Mortagnac", "female", date(1942, 8, 25),
        "29232", "Quimper", "29000", 7,
        illnesses=(
            Illness("N18.3", "Maladie rénale chronique, stade 3", 7.5),
            Illness("M81.0", "Ostéoporose postménopausique", 9.0),
            Illness("S72.0", "Fracture du col du fémur", 2.7, 6),
            Illness("G30.1", "Maladie d'Alzheimer à début tardif", 1.9),
        ),
        treatments=(
            Treatment("M05BA04", "Acide alendronique 70 mg, comprimé", "1 comprimé par semaine", 1,
                      8.0, False),
            Treatment("A11CC05", "Colécalciférol 50 000 UI, ampoule", "1 ampoule par mois", 1, 8.0),
            Treatment("C09AA05", "Ramipril 2,5 mg, comprimé", "1 comprimé le soir", 1, 7.4),
        ),
        trends=(
            ("weight", Trend(62.0, 53.5, 0.9)), ("creatinine", Trend(94, 141, 6)),
            ("egfr", Trend(52, 30, 2.5)), ("potassium", Trend(4.4, 5.0, 0.3)),
            ("vitamin-d", Trend(14, 34, 4)),
        ),
        pressure=(Trend(152, 138, 9), Trend(80, 72, 6)),
        panels=(("kidney", 4), ("bone", 1)),
        allergies=(("medication", "Sulfamides", "low"),),
        vaccines=(
            ("influenza", 79.2), ("influenza", 80.2), ("influenza", 81.2), ("influenza", 82.2),
            ("influenza", 83.2), ("covid", 78.5), ("covid", 78.6), ("covid", 81.2),
        ),
        imaging=(
            ("Radiographie de la hanche gauche", 2.7,
             "Fracture cervicale vraie, Garden III. Indication de prothèse."),
        ),
        specialist="geriatrics",
    ),
)  # fmt: skip
