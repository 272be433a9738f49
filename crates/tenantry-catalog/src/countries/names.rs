//! Codes and other names of countries.

/// Two-letter codes, each with the three-letter code of the same country.
pub(super) const TWO_LETTERS: &str = "\
    AFAFG ALALB DZDZA ASASM ADAND AOAGO AIAIA AQATA AGATG ARARG AMARM AWABW AUAUS ATAUT AZAZE BSBHS BHBHR BDBGD \
    BBBRB BYBLR BEBEL BZBLZ BJBEN BMBMU BTBTN BOBOL BABIH BWBWA BVBVT BRBRA IOIOT VGVGB BNBRN BGBGR BFBFA BIBDI \
    KHKHM CMCMR CACAN CVCPV BQBES KYCYM CFCAF TDTCD CLCHL CNCHN CXCXR CCCCK COCOL KMCOM CGCOG CKCOK CRCRI HRHRV \
    CUCUB CWCUW CYCYP CZCZE CICIV CDCOD DKDNK DJDJI DMDMA DODOM TLTLS ECECU EGEGY SVSLV GQGNQ ERERI EEEST SZSWZ \
    ETETH FKFLK FOFRO FJFJI FIFIN FRFRA GFGUF PFPYF TFATF GAGAB GMGMB GEGEO DEDEU GHGHA GIGIB GRGRC GLGRL GDGRD \
    GPGLP GUGUM GTGTM GGGGY GNGIN GWGNB GYGUY HTHTI HMHMD HNHND HKHKG HUHUN ISISL ININD IDIDN IRIRN IQIRQ IEIRL \
    IMIMN ILISR ITITA JMJAM JPJPN JEJEY JOJOR KZKAZ KEKEN KIKIR KWKWT KGKGZ LALAO LVLVA LBLBN LSLSO LRLBR LYLBY \
    LILIE LTLTU LULUX MOMAC MGMDG MWMWI MYMYS MVMDV MLMLI MTMLT MHMHL MQMTQ MRMRT MUMUS YTMYT MXMEX FMFSM MDMDA \
    MCMCO MNMNG MEMNE MSMSR MAMAR MZMOZ MMMMR NANAM NRNRU NPNPL NLNLD NCNCL NZNZL NINIC NENER NGNGA NUNIU NFNFK \
    KPPRK MKMKD MPMNP NONOR OMOMN PKPAK PWPLW PSPSE PAPAN PGPNG PYPRY PEPER PHPHL PNPCN PLPOL PTPRT PRPRI QAQAT \
    ROROU RURUS RWRWA REREU BLBLM SHSHN KNKNA LCLCA MFMAF PMSPM VCVCT WSWSM SMSMR STSTP SASAU SNSEN RSSRB SCSYC \
    SLSLE SGSGP SXSXM SKSVK SISVN SBSLB SOSOM ZAZAF GSSGS KRKOR SSSSD ESESP LKLKA SDSDN SRSUR SJSJM SESWE CHCHE \
    SYSYR TWTWN TJTJK TZTZA THTHA TGTGO TKTKL TOTON TTTTO TNTUN TRTUR TMTKM TCTCA TVTUV VIVIR UMUMI UGUGA UAUKR \
    AEARE GBGBR USUSA UYURY UZUZB VUVUT VAVAT VEVEN VNVNM WFWLF EHESH YEYEM ZMZMB ZWZWE AXALA";

/// Other names: those of ISO 3166 if the table has another, and those that people and documentation use. Articles,
/// accents and punctuation make no difference.
pub(super) const OTHER_NAMES: &[(&str, &str)] = &[
    ("United States of America", "United States"),
    ("UK", "United Kingdom"),
    ("Great Britain", "United Kingdom"),
    ("United Kingdom of Great Britain and Northern Ireland", "United Kingdom"),
    ("Czech Republic", "Czechia"),
    ("Holland", "Netherlands"),
    ("Netherlands, Kingdom of the", "Netherlands"),
    ("Kingdom of the Netherlands", "Netherlands"),
    ("Republic of Korea", "South Korea"),
    ("Korea, Republic of", "South Korea"),
    ("Democratic People's Republic of Korea", "North Korea"),
    ("Korea, Democratic People's Republic of", "North Korea"),
    ("Russian Federation", "Russia"),
    ("Viet Nam", "Vietnam"),
    ("Türkiye", "Turkey"),
    ("Eswatini", "Eswatini (Swaziland)"),
    ("Swaziland", "Eswatini (Swaziland)"),
    ("Cabo Verde", "Cape Verde"),
    ("Holy See", "Vatican City"),
    ("Vatican City State", "Vatican City"),
    ("Central African Republic", "Central African Rep."),
    ("Democratic Republic of the Congo", "DR Congo"),
    ("Congo, Democratic Republic of the", "DR Congo"),
    ("Republic of the Congo", "Congo"),
    ("Congo, Republic of the", "Congo"),
    ("Moldova, Republic of", "Moldova"),
    ("Republic of Moldova", "Moldova"),
    ("Tanzania, United Republic of", "Tanzania"),
    ("United Republic of Tanzania", "Tanzania"),
    ("Iran (Islamic Republic of)", "Iran"),
    ("Islamic Republic of Iran", "Iran"),
    ("Bolivia (Plurinational State of)", "Bolivia"),
    ("Plurinational State of Bolivia", "Bolivia"),
    ("Venezuela (Bolivarian Republic of)", "Venezuela"),
    ("Bolivarian Republic of Venezuela", "Venezuela"),
    ("Taiwan, Province of China", "Taiwan"),
    ("Palestine, State of", "Palestine"),
    ("State of Palestine", "Palestine"),
    ("Syrian Arab Republic", "Syria"),
    ("Brunei Darussalam", "Brunei"),
    ("Lao People's Democratic Republic", "Laos"),
    ("Bonaire, Sint Eustatius and Saba", "Caribbean NL"),
    ("Caribbean Netherlands", "Caribbean NL"),
    ("Virgin Islands (British)", "British Virgin Islands"),
    ("Virgin Islands (U.S.)", "US Virgin Islands"),
    ("Virgin Islands (US)", "US Virgin Islands"),
    ("United States Virgin Islands", "US Virgin Islands"),
    ("United States Minor Outlying Islands", "US minor outlying islands"),
    ("Timor-Leste", "East Timor"),
    ("Falkland Islands (Malvinas)", "Falkland Islands"),
    ("French Southern Territories", "French S. Terr."),
    ("Macao", "Macau"),
    ("Micronesia (Federated States of)", "Micronesia"),
    ("Federated States of Micronesia", "Micronesia"),
    ("Saint Helena, Ascension and Tristan da Cunha", "Saint Helena"),
    ("Saint Martin (French part)", "Saint Martin"),
    ("Sint Maarten (Dutch part)", "Sint Maarten"),
    ("Saint Vincent and the Grenadines", "Saint Vincent"),
    ("Turks and Caicos Islands", "Turks and Caicos Is"),
    ("Ivory Coast", "Côte d'Ivoire"),
    ("Burma", "Myanmar"),
    ("Macedonia", "North Macedonia"),
    ("Republic of North Macedonia", "North Macedonia"),
    ("Pitcairn Islands", "Pitcairn"),
];
